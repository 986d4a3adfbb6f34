/** An access token that is bound to the prover's key, as the credentials of a call to a resource server (RFC 9449 §7). */
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import type { SignOptions } from "../keystore/signer.js";
import { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import type { AttemptCredentials, Credentials, Rejection, ResponseHead } from "./credentials.js";
import { readChallenge } from "./dpop-challenge.js";

/** The token of one call, which is renewed once if the server rejects it. */
export class TokenCredentials implements Credentials {
  readonly singleUse = false;
  readonly forbidsRedirect = false;
  readonly #prover: DPoPProver;
  readonly #source: TokenSource;
  #hasRenewedToken = false;

  constructor(prover: DPoPProver, source: TokenSource) {
    this.#prover = prover;
    this.#source = source;
  }

  /** @throws {DPoPError} With code `invalid-access-token` if the token is bound to another key. */
  async next({ signal }: SignOptions): Promise<AttemptCredentials> {
    const { jkt } = this.#prover;
    const token = await this.#source.token({ signal });
    if (token.cnfJkt === null || token.cnfJkt === jkt) return token;
    const message = `The token is bound to key ${token.cnfJkt}, not to the prover's key ${jkt}.`;
    throw new DPoPError("invalid-access-token", message);
  }

  async rejectionOf(response: ResponseHead): Promise<Rejection | undefined> {
    return response.status === 401 ? readChallenge(response.headers) : undefined;
  }

  async renewToken(accessToken: string, options: SignOptions): Promise<boolean> {
    if (this.#hasRenewedToken) return false;
    const next = await this.#source.renew(accessToken, options);
    this.#hasRenewedToken = next.accessToken !== accessToken;
    return this.#hasRenewedToken;
  }
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
