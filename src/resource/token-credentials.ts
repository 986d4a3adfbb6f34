/** An access token that is bound to the prover's key, as the credentials of a call to a resource server (RFC 9449 §7). */
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import type { SignOptions } from "../keystore/signer.js";
import { proofChallenge } from "../oauth/proof-challenge.js";
import { errorCodeOf, mayRejectProof } from "../oauth/proof-rejection.js";
import { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import type { AttemptCredentials, AuthorizationScheme, Credentials, Rejection, ResponseHead } from "./credentials.js";

const NOT_BOUND =
  "The server issued a Bearer token, and nothing shows that it is bound to the prover's key: with the scheme DPoP, a " +
  "resource server would reject it. Request it with the prover from a server that supports DPoP. In code, set the option " +
  'scheme to "Bearer" if a resource server accepts it as it is, or to "DPoP" if the token is bound nevertheless.';

/** The option `scheme`. */
export interface SchemeOption {
  /**
   * The scheme of the `Authorization` header. `"Bearer"` is for a server that expects it beside the proof, and for a token
   * that isn't bound to a key. `"DPoP"` is for a token that is bound, although the token response says otherwise. Default:
   * `DPoP`, and a token that was issued as an unbound Bearer token is rejected.
   */
  scheme?: "DPoP" | "Bearer" | undefined;
}

/** How an access token is sent, and when it is renewed. */
export interface TokenUse extends SchemeOption {
  /**
   * Whether to renew the token after any 401 that doesn't name another reason, once per call: some servers reject an
   * expired token without `invalid_token`. Default: false.
   */
  renewOn401?: boolean | undefined;
}

/** @throws {DPoPError} With code `misconfigured` if the scheme is neither of the two. */
export function assertScheme({ scheme }: SchemeOption): void {
  if (scheme !== undefined && scheme !== "DPoP" && scheme !== "Bearer")
    throw new DPoPError("misconfigured", 'scheme must be "DPoP" or "Bearer".');
}

/** The token of one call, which is renewed once if the server rejects it. */
export class TokenCredentials implements Credentials {
  readonly singleUse = false;
  readonly forbidsRedirect = false;
  readonly #prover: DPoPProver;
  readonly #source: TokenSource;
  readonly #scheme: AuthorizationScheme | undefined;
  readonly #renewOn401: boolean;
  #hasRenewedToken = false;

  constructor(prover: DPoPProver, source: TokenSource, { scheme, renewOn401 = false }: TokenUse) {
    this.#prover = prover;
    this.#source = source;
    this.#scheme = scheme;
    this.#renewOn401 = renewOn401;
  }

  /** @throws {DPoPError} With code `invalid-access-token` if the token is bound to another key, or to none. */
  async next({ signal }: SignOptions): Promise<AttemptCredentials> {
    const token = await this.#source.token({ signal });
    const prover = this.#proverFor(token);
    const problem = this.#problemOf(token, prover);
    if (problem !== undefined) throw new DPoPError("invalid-access-token", problem);
    return { prover, accessToken: token.accessToken, scheme: this.#scheme ?? "DPoP" };
  }

  /** The prover of the call has settings of its own, so that of the source is used only if it has another key. */
  #proverFor(token: Token): DPoPProver {
    const prover = this.#source.proverFor?.(token);
    return prover === undefined || prover.jkt === this.#prover.jkt ? this.#prover : prover;
  }

  #problemOf({ cnfJkt, tokenType }: Token, { jkt }: DPoPProver): string | undefined {
    if (cnfJkt !== null && cnfJkt !== jkt)
      return `The token is bound to key ${cnfJkt}, not to the prover's key ${jkt}.`;
    const isUnbound = cnfJkt === null && tokenType?.toLowerCase() === "bearer";
    return isUnbound && this.#scheme === undefined ? NOT_BOUND : undefined;
  }

  async rejectionOf(response: ResponseHead): Promise<Rejection | undefined> {
    const { status, headers } = response;
    if (!mayRejectProof(status)) return undefined;
    const challenge = proofChallenge(headers);
    const nonce = challenge.nonce || (await asksForNonce(response));
    if (status !== 401) return nonce || challenge.clock ? { ...challenge, nonce } : undefined;
    const clock = challenge.clock || (challenge.unexplained && !nonce);
    const renews = this.#renewOn401 && !nonce && !challenge.other;
    return { ...challenge, nonce, clock, token: challenge.token || renews };
  }

  async renewToken(accessToken: string, options: SignOptions): Promise<boolean> {
    if (this.#hasRenewedToken) return false;
    const next = await this.#source.renew(accessToken, options);
    this.#hasRenewedToken = next.accessToken !== accessToken;
    return this.#hasRenewedToken;
  }
}

/** Whether the body has the error that belongs into a challenge. Read only if the response has a nonce. */
async function asksForNonce(response: ResponseHead): Promise<boolean> {
  return response.headers.has("dpop-nonce") && errorCodeOf(await response.json()) === "use_dpop_nonce";
}

/**
 * Returns the source itself, or one that always returns the token.
 *
 * @throws {DPoPError} With code `misconfigured` if `token` isn't one of these.
 */
export function sourceOf(token: string | Token | TokenSource): TokenSource {
  if (typeof token === "object" && token !== null && "renew" in token) return token;
  const fixed = typeof token === "string" ? new Token({ access_token: token }, token) : token;
  if (typeof fixed?.accessToken !== "string" || fixed.accessToken === "")
    throw new DPoPError("misconfigured", "token must be an access token, a Token or a token source.");
  return { token: async () => fixed, renew: async () => fixed };
}
