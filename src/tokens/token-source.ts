/** One bound token, kept fresh for all who call with it: got once, renewed ahead of its end, replaced when it is refused. */

import { untilAborted } from "../deadline.js";
import { OAuthError } from "../errors.js";
import type { Token } from "../oauth/token/token.js";
import { Backoff, type BackoffOptions } from "./backoff.js";
import { type KeptToken, TokenRenewal, type TokenRenewalOptions } from "./token-renewal.js";

export interface TokenSourceOptions extends TokenRenewalOptions {
  /** Seconds before its end at which a token is renewed, at most a quarter of its lifetime. Default 60. */
  margin?: number | undefined;
  /** The part of the margin that is added at random, so that many processes don't renew at once. Default 0.5. */
  jitter?: number | undefined;
  /** How long the server is left alone after a failure. */
  backoff?: BackoffOptions | undefined;
}

export interface TokenWait {
  /** Ends this caller's waiting. The request goes on, for the other callers. */
  signal?: AbortSignal | undefined;
}

export interface TokenSource {
  /**
   * @returns a token that has not expired, as far as its server said when it will
   * @throws {OAuthError} code of why there is none; the same error again, at once, until its backoff is over
   * @throws {SignerError} code of why the key did not sign
   * @throws {TokenStoreError} code of why the stored token can't be read
   */
  token(options?: TokenWait): Promise<Token>;
  /**
   * Replaces a token that a resource server refused as `invalid_token`, if it is still the one that is given out.
   *
   * @returns the token that is given out now. It is still the refused one where the last one was refused a moment ago
   * @throws as {@link TokenSource.token}
   */
  renew(rejected: string | Token, options?: TokenWait): Promise<Token>;
}

/** In milliseconds since 1970; 0 once it was refused. */
interface Held {
  readonly token: Token;
  expiresAt: number;
  renewAt: number;
}

const MARGIN = 60;
const JITTER = 0.5;

/**
 * Makes a source of tokens for `dpopFetch`, or for anybody else. It has no timer: a token is renewed when somebody asks for
 * it close to its end, in the background while it still lasts.
 *
 * @example
 * ```ts
 * const source = tokenSource({ client, prover, grantType: "client_credentials", clientId, clientSecret });
 * const call = dpopFetch({ prover, token: source });
 * ```
 * @throws {OAuthError} code `misconfigured`
 */
export function tokenSource(options: TokenSourceOptions): TokenSource {
  const { margin = MARGIN, jitter = JITTER } = options;
  if (!(margin >= 0)) throw new OAuthError("misconfigured", "margin must be a number of seconds.");
  if (!(jitter >= 0 && jitter <= 1)) throw new OAuthError("misconfigured", "jitter must be a number from 0 to 1.");
  return new FreshToken(new TokenRenewal(options), margin, jitter, options.backoff);
}

class FreshToken implements TokenSource {
  readonly #renewal: TokenRenewal;
  readonly #margin: number;
  readonly #jitter: number;
  readonly #failures: Backoff;
  readonly #rejections: Backoff;
  #held: Held | undefined;
  #next: Promise<Token> | undefined;
  #lastError: unknown;

  constructor(renewal: TokenRenewal, margin: number, jitter: number, backoff: BackoffOptions | undefined) {
    this.#renewal = renewal;
    this.#margin = margin * 1000;
    this.#jitter = jitter;
    this.#failures = new Backoff(backoff);
    this.#rejections = new Backoff(backoff);
  }

  async token({ signal }: TokenWait = {}): Promise<Token> {
    const held = this.#held;
    const now = Date.now();
    if (held && now < held.renewAt) return held.token;
    if (held && now < held.expiresAt) {
      if (!this.#failures.waiting) this.#renewed().catch(() => undefined);
      return held.token;
    }
    if (!this.#next && this.#failures.waiting) throw this.#lastError;
    return untilAborted(signal, () => this.#renewed());
  }

  async renew(rejected: string | Token, { signal }: TokenWait = {}): Promise<Token> {
    const accessToken = typeof rejected === "string" ? rejected : rejected.accessToken;
    const held = this.#held;
    if (held?.token.accessToken === accessToken && held.expiresAt > 0) {
      if (this.#rejections.waiting) return held.token;
      this.#rejections.failed();
      held.renewAt = held.expiresAt = 0;
    }
    return this.token({ signal });
  }

  /** One request for all who wait. */
  #renewed(): Promise<Token> {
    this.#next ??= this.#renew().finally(() => {
      this.#next = undefined;
    });
    return this.#next;
  }

  async #renew(): Promise<Token> {
    const { token, expiresAt } = this.#held ?? {};
    if (expiresAt !== 0) this.#rejections.reset();
    try {
      const kept = await this.#renewal.next(token?.accessToken);
      this.#failures.reset();
      this.#held = this.#timed(kept);
      return kept.token;
    } catch (reason) {
      this.#failures.failed(retryAfter(reason));
      this.#lastError = reason;
      throw reason;
    }
  }

  #timed({ token, expiresAt }: KeptToken): Held {
    if (expiresAt === null) return { token, expiresAt: Number.POSITIVE_INFINITY, renewAt: Number.POSITIVE_INFINITY };
    const margin = Math.min(this.#margin, (token.expiresIn ?? 0) * 250);
    return { token, expiresAt, renewAt: expiresAt - margin * (1 + this.#jitter * Math.random()) };
  }
}

/** Milliseconds that the server asked for (RFC 9110 §10.2.3), where it gave a number of seconds. */
function retryAfter(reason: unknown): number {
  const header = reason instanceof OAuthError ? reason.response?.headers.get("retry-after") : undefined;
  return /^\d+$/.test(header ?? "") ? Number(header) * 1000 : 0;
}
