/** The JWTs that the server signs for a client: ID tokens and authorization responses. What they must be signed with. */
import type { AlgorithmName } from "../../jose/algorithms.js";
import { findAlgorithm, isAvailable } from "../../jose/find-algorithm.js";
import { misconfigured } from "../assert.js";
import { parseMetadataUrl } from "../metadata-url.js";
import { DEFAULT_TIMEOUT, type ServerOptions } from "../server-options.js";
import { type KeySetSource, loadKeySet } from "./key-set.js";
import { type ExpectedJwt, type VerifiedJwt, verifyJwt } from "./verify-jwt.js";

/** The algorithms that the client is registered for. */
export interface ServerJwtOptions {
  /**
   * The algorithm that the server signs the client's ID tokens with: its `id_token_signed_response_alg` (OpenID Connect
   * Registration §2). Default: any algorithm that the server's metadata lists, or RS256 if it doesn't have a list.
   */
  idTokenSignedResponseAlg?: AlgorithmName | undefined;
  /**
   * The algorithm that the server signs authorization responses with: the client's `authorization_signed_response_alg`
   * (JARM §3). The default is as for ID tokens.
   */
  authorizationSignedResponseAlg?: AlgorithmName | undefined;
}

/** A kind of JWT. */
export type JwtKind = "idToken" | "authorizationResponse";

/** What the caller knows about a JWT. */
export type JwtContext = Pick<ExpectedJwt, "clientId" | "requiredClaims" | "now" | "response">;

const KINDS = {
  idToken: {
    what: "The ID token",
    option: "idTokenSignedResponseAlg",
    metadata: "id_token_signing_alg_values_supported",
  },
  authorizationResponse: {
    what: "The authorization response",
    option: "authorizationSignedResponseAlg",
    metadata: "authorization_signing_alg_values_supported",
  },
} as const;

/** The algorithm if neither the client nor the server names one (OpenID Connect Registration §2, JARM §3). */
const DEFAULT_ALGORITHM = "RS256";

/** Verifies the JWTs of one server. The caller limits the time. */
export class ServerJwts {
  readonly #options: ServerOptions & ServerJwtOptions;
  readonly #issuer: string | undefined;

  /** @throws {OAuthError} With code `misconfigured` if an algorithm isn't one that can be verified. */
  constructor(options: ServerOptions & ServerJwtOptions) {
    this.#options = options;
    this.#issuer = options.issuer ?? options.metadata?.issuer;
    for (const { option } of Object.values(KINDS))
      if (options[option] !== undefined && namesOf(options[option]).length === 0)
        throw misconfigured(`${option} must be a signature algorithm that this version of Node can verify.`);
  }

  /** Whether the server's issuer and keys are known. */
  get canVerify(): boolean {
    return this.#issuer !== undefined && this.#options.metadata?.jwks_uri !== undefined;
  }

  /** @throws {OAuthError} With code `misconfigured` if a JWT of this kind couldn't be verified, whatever it is. */
  assertVerifiable(kind: JwtKind): void {
    this.#known();
    this.#algorithms(kind);
  }

  /**
   * Fetches the server's keys if they aren't cached.
   *
   * @throws {OAuthError} As {@link ServerJwts.assertVerifiable} does, and if the keys can't be fetched.
   */
  async loadKeys(kind: JwtKind): Promise<void> {
    this.assertVerifiable(kind);
    await loadKeySet(this.#known().source);
  }

  /**
   * Verifies a JWT's signature, `iss`, `aud`, `exp` and `nbf`.
   *
   * @throws {OAuthError} With code `invalid-response` if it isn't valid.
   */
  async verify(kind: JwtKind, jwt: string, context: JwtContext): Promise<VerifiedJwt> {
    const { issuer, source } = this.#known();
    const { what, option } = KINDS[kind];
    return verifyJwt(jwt, source, { ...context, what, option, issuer, algorithms: this.#algorithms(kind) });
  }

  #known(): { issuer: string; source: KeySetSource } {
    const { metadata, timeout = DEFAULT_TIMEOUT, fetch = globalThis.fetch } = this.#options;
    const issuer = this.#issuer;
    if (issuer === undefined || metadata?.jwks_uri === undefined)
      throw misconfigured(
        "ID tokens and signed authorization responses can't be verified without the server's issuer and jwks_uri. Use discover() or the option metadata.",
      );
    const url = parseMetadataUrl(metadata.jwks_uri, "jwks_uri", issuer, this.#options);
    // Half the time of a call, so that the error of a call names the URL that doesn't respond.
    return { issuer, source: { url, fetch, timeout: timeout / 2 } };
  }

  #algorithms(kind: JwtKind): readonly string[] {
    const { option, metadata } = KINDS[kind];
    const chosen = this.#options[option];
    const listed = this.#options.metadata?.[metadata] ?? [DEFAULT_ALGORITHM];
    const names = chosen === undefined ? listed.filter((name) => namesOf(name).length > 0) : namesOf(chosen);
    if (names.length > 0) return names;
    throw misconfigured(
      `The server's ${metadata} doesn't contain an algorithm that can be verified with a public key.`,
    );
  }
}

/** Returns the current and the older name of an algorithm, if this version of Node can verify it. */
function namesOf(name: string): string[] {
  const algorithm = findAlgorithm(name);
  if (algorithm === undefined || !isAvailable(algorithm)) return [];
  return [algorithm.alg, algorithm.olderName ?? []].flat();
}
