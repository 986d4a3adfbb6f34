/**
 * Keys in hardware for version 2 of the MCP SDK, `@modelcontextprotocol/client`, which has OAuth and DPoP of its own: the
 * SDK discovers the authorization server, requests tokens and calls the MCP server, and the key signs.
 *
 * An `OAuthClientProvider` of your own needs two members: `dpop()`, which returns the session of {@link dpopSession}, and
 * `addClientAuthentication`, which is {@link addPrivateKeyJwt}. {@link HardwareKeyProvider} has both, for an agent without a
 * user:
 *
 * ```ts
 * const authProvider = new HardwareKeyProvider({ issuer, clientId: "agent-7", scope: "read", prover, signer });
 * await client.connect(new StreamableHTTPClientTransport(server, { authProvider }));
 * ```
 */
import { randomUUID } from "node:crypto";
import {
  type AddClientAuthentication,
  type DpopAlg,
  type DpopSession,
  StaticPrivateKeyJwtProvider,
  type StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import { type DPoPProver, type JwtOptions, OAuthError, type Signer, signJwt } from "hardproof";

/** Options of {@link dpopSession}. */
export interface DpopSessionOptions {
  /**
   * The JWS algorithms that the servers list in `dpop_signing_alg_values_supported`. The proofs of an Ed25519 key are
   * named `EdDSA` if the servers list only that older name.
   */
  supportedAlgorithms?: readonly string[] | undefined;
}

const NONCE = /^[\x21\x23-\x5b\x5d-\x7e]+$/; // RFC 9449 §8.1

/**
 * Creates the session that `OAuthClientProvider.dpop()` returns. It signs with any key and algorithm of the prover, and
 * caches the nonce of each origin. Create it once for each prover: the provider must return the same session every time.
 *
 * The SDK's `DpopSession.create` accepts a `CryptoKey` only, and its class has private members. The session has all of
 * its public members, which the compiler checks; the SDK uses nothing else.
 */
export function dpopSession(prover: DPoPProver, { supportedAlgorithms }: DpopSessionOptions = {}): DpopSession {
  const nonces = new Map<string, string>();
  const session: Pick<DpopSession, keyof DpopSession> = {
    alg: algorithmOf(prover),
    thumbprint: prover.jkt,
    publicJwk: { ...prover.publicJwk },
    nonceFor: (url) => nonces.get(new URL(url).origin),
    rememberNonce(url, nonce) {
      // A malformed nonce can't be signed, and must not replace a valid one.
      if (NONCE.test(nonce)) nonces.set(new URL(url).origin, nonce);
    },
    observeNonce: ({ headers }, url) => session.rememberNonce(url, headers.get("dpop-nonce") ?? ""),
    buildProof: ({ nonce, ...request }) =>
      prover.makeProof({ ...request, nonce: nonce ?? session.nonceFor(request.htu), supportedAlgorithms }),
  };
  return session as DpopSession;
}

/** The SDK's types name Ed25519 by its older name, and don't have ML-DSA. */
function algorithmOf({ alg }: DPoPProver): DpopAlg {
  return (alg === "Ed25519" ? "EdDSA" : alg) as DpopAlg;
}

/** Options of {@link addPrivateKeyJwt}. */
export interface ClientAssertionOptions {
  /** The issuer identifier of the authorization server that the client is registered with. */
  issuer: string;
  clientId: string;
  /** Signs the assertions. */
  signer: Signer;
  /**
   * Header parameters: a `kid` if the authorization server needs it to find the key, or `alg: "EdDSA"` for an Ed25519 key
   * if it knows only that older name.
   */
  header?: JwtOptions["header"];
}

const LIFETIME = 60; // seconds

/**
 * Creates the `addClientAuthentication` of a provider: client authentication by `private_key_jwt` (RFC 7523). The SDK
 * calls it for each token request, including the retry after a nonce challenge, so that no assertion is sent twice.
 *
 * The MCP server's metadata chooses the authorization server. An assertion that reached another server could be used by
 * it at `issuer`, so the function refuses any other server.
 */
export function addPrivateKeyJwt({
  issuer,
  clientId,
  signer,
  header,
}: ClientAssertionOptions): AddClientAuthentication {
  return async (_headers, form, url, metadata) => {
    if (metadata?.issuer !== issuer) throw otherServer(metadata?.issuer ?? String(url), issuer);
    const claims = () => assertionClaims(clientId, issuer);
    form.set("client_id", clientId);
    form.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    form.set("client_assertion", await signJwt(signer, claims, { header }));
  };
}

function assertionClaims(clientId: string, issuer: string) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID(), iat: now, exp: now + LIFETIME };
}

function otherServer(found: string, issuer: string): OAuthError {
  const message = `The MCP server refers to the authorization server ${found}, but the client is registered with ${issuer}.`;
  return new OAuthError("misconfigured", `${message} No assertion was signed. Check the URL of the MCP server.`);
}

/** Options of {@link HardwareKeyProvider}. */
export interface HardwareKeyProviderOptions extends ClientAssertionOptions, DpopSessionOptions {
  scope?: string | undefined;
  /** Makes the proofs. Tokens are bound to its key. */
  prover: DPoPProver;
  /** Rejects a token that isn't bound to a key. The SDK sends such a token as `Bearer`. Default: true. */
  requireBinding?: boolean | undefined;
}

/** Tokens for the client itself (`client_credentials`), with `private_key_jwt` and DPoP by keys in hardware. */
export class HardwareKeyProvider extends StaticPrivateKeyJwtProvider {
  readonly #session: DpopSession;
  readonly #requireBinding: boolean;

  constructor(options: HardwareKeyProviderOptions) {
    const { issuer, clientId, scope, prover, supportedAlgorithms, requireBinding = true } = options;
    // The SDK's provider sends one fixed assertion. It is replaced by one that is signed for each request.
    super({ clientId, expectedIssuer: issuer, jwtBearerAssertion: "", ...(scope !== undefined && { scope }) });
    this.addClientAuthentication = addPrivateKeyJwt(options);
    this.#session = dpopSession(prover, { supportedAlgorithms });
    this.#requireBinding = requireBinding;
  }

  /** Returns the same session for every request. */
  dpop(): DpopSession {
    return this.#session;
  }

  /** @throws {OAuthError} With code `binding` if the token isn't bound to a key, although that is required. */
  override saveTokens(tokens: StoredOAuthTokens): void {
    if (this.#requireBinding && tokens.token_type.toLowerCase() !== "dpop") throw notBound(tokens.token_type);
    super.saveTokens(tokens);
  }
}

function notBound(type: string): OAuthError {
  const message = `The authorization server issued a token of type ${type}, which isn't bound to the key.`;
  return new OAuthError("binding", `${message} Enable DPoP for this client at the authorization server.`);
}
