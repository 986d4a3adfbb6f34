/**
 * A source that caches one bound token for all callers, renews it before it expires, and replaces it when it is
 * rejected.
 */

import { untilAborted } from "../deadline.js";
import type { DPoPProver } from "../dpop/prover.js";
import { OAuthError, TokenStoreError } from "../errors.js";
import { assertObject, assertString, misconfigured } from "../oauth/assert.js";
import type { Token, TokenState } from "../oauth/token/token.js";
import { Backoff, type BackoffOptions } from "./backoff.js";
import { type RotatableTokenSource, RotatingTokenSource } from "./rotating-token-source.js";
import { ScopedTokenSource } from "./scoped-token-source.js";
import type { SourceBinding } from "./source-binding.js";
import { type RenewalOptions, TokenRenewal, type TokenRenewalOptions } from "./token-renewal.js";

/** Options of {@link tokenSource}. */
export type TokenSourceOptions = SourceOptions & SourceBinding;

/** Options of {@link tokenSource}, except for the binding. */
export interface SourceOptions extends RenewalOptions {
  /** Seconds before expiry at which a token is renewed, at most a quarter of its lifetime. Default: 60. */
  margin?: number | undefined;
  /**
   * The part of `margin`, from 0 to 1, up to which a random time is added to it, so that many processes don't renew
   * their tokens at the same time. Default: 0.5.
   */
  jitter?: number | undefined;
  /** How long to wait after a failed token request. */
  backoff?: BackoffOptions | undefined;
}

/** Options of the methods of {@link TokenSource}. */
export interface GetTokenOptions {
  /** Stops this caller from waiting. Doesn't abort the token request, which other callers may share. */
  signal?: AbortSignal | undefined;
  /**
   * Scopes that the token needs besides those of the source: a challenge with `insufficient_scope` names them. The source
   * requests a token for all of them, and keeps it in addition to the others. Only a repeatable grant can get more scope.
   */
  scope?: string | readonly string[] | null | undefined;
}

/** A source of access tokens. See {@link tokenSource}. */
export interface TokenSource {
  /**
   * Returns a token that hasn't expired, as far as the server reported its lifetime.
   *
   * @throws {OAuthError} If the token request fails. Until the backoff is over, the last error is thrown immediately.
   * @throws {SignerError} If the key can't sign.
   * @throws {TokenStoreError} If the stored token can't be read.
   */
  token(options?: GetTokenOptions): Promise<Token>;
  /**
   * Replaces a token that a resource server rejected as `invalid_token`, unless it was replaced already.
   *
   * @returns The current token. This is still the rejected one if the token before it was also rejected a moment ago.
   * @throws As {@link TokenSource.token} does.
   */
  renew(rejected: string | Token, options?: GetTokenOptions): Promise<Token>;
  /**
   * Returns the prover of the key that a token of this source is bound to. A source whose key can change has this method;
   * for the tokens of any other source, the caller's prover is used.
   */
  proverFor?(token: Token): DPoPProver | undefined;
}

/** Times are in milliseconds since 1970, or 0 after the token was rejected. */
interface CachedToken {
  readonly token: Token;
  expiresAt: number;
  renewAt: number;
}

const DEFAULT_MARGIN = 60; // seconds
const DEFAULT_JITTER = 0.5;

/**
 * Creates a source of tokens for `dpopFetch` or any other caller. It has no timer: a call shortly before the token
 * expires renews it in the background. `rotate` gives it another key.
 *
 * @example
 * ```ts
 * const source = tokenSource({ client, prover, grantType: "client_credentials", clientId, clientSecret });
 * const call = dpopFetch({ prover, token: source });
 * ```
 * @throws {OAuthError} With code `misconfigured` if an option is invalid.
 */
export function tokenSource(options: TokenSourceOptions): RotatableTokenSource {
  const { margin = DEFAULT_MARGIN, jitter = DEFAULT_JITTER } = assertSourceOptions(options);
  if (!(margin >= 0)) throw new OAuthError("misconfigured", "margin must be a number of seconds, 0 or more.");
  if (!(jitter >= 0 && jitter <= 1)) throw new OAuthError("misconfigured", "jitter must be a number from 0 to 1.");
  const create = (renewal: TokenRenewalOptions) =>
    new CachingTokenSource(new TokenRenewal(renewal), margin, jitter, options.backoff);
  const createScoped = (own: TokenRenewalOptions) =>
    new ScopedTokenSource(own, create(own), (scope) => create({ ...own, scope, token: undefined }));
  return new RotatingTokenSource(options, createScoped);
}

/** Checks what the source needs later, since its first token may be requested much later than it is created. */
function assertSourceOptions(options: TokenSourceOptions): TokenSourceOptions {
  const { client, token, store, backoff = {}, extra } = assertObject(options, "The options of tokenSource");
  if (typeof client?.getTokenWithDPoP !== "function" || typeof client.refresh !== "function")
    throw misconfigured("client must be an OAuthClient.");
  if (token !== undefined && typeof token?.raw !== "object") throw misconfigured("token must be a Token.");
  if (store !== undefined && ![store?.get, store?.set, store?.del].every((method) => typeof method === "function"))
    throw misconfigured("store must be a token store, with the methods get, set and del.");
  assertObject(backoff, "backoff");
  assertObject(extra === undefined ? {} : extra, "extra");
  return options;
}

/** Caches one token. */
export class CachingTokenSource implements TokenSource {
  readonly #renewal: TokenRenewal;
  readonly #margin: number;
  readonly #jitter: number;
  /** The delay after failed token requests. */
  readonly #failures: Backoff;
  /** The delay after tokens that a resource server rejected. */
  readonly #rejections: Backoff;
  #cached: CachedToken | undefined;
  #inFlight: Promise<Token> | undefined;
  #lastError: unknown;

  constructor(renewal: TokenRenewal, margin: number, jitter: number, backoff: BackoffOptions | undefined) {
    this.#renewal = renewal;
    this.#margin = margin * 1000;
    this.#jitter = jitter;
    this.#failures = new Backoff(backoff);
    this.#rejections = new Backoff(backoff);
  }

  async token({ signal }: GetTokenOptions = {}): Promise<Token> {
    const cached = this.#cached;
    const now = Date.now();
    if (cached && now < cached.renewAt) return cached.token;
    if (cached && now < cached.expiresAt) {
      if (!this.#failures.isWaiting) this.#renewOnce().catch(() => undefined);
      return cached.token;
    }
    if (!this.#inFlight && this.#failures.isWaiting) throw this.#lastError;
    return untilAborted(signal, () => this.#renewOnce());
  }

  async renew(rejected: string | Token, { signal }: GetTokenOptions = {}): Promise<Token> {
    const accessToken = assertString(typeof rejected === "string" ? rejected : rejected?.accessToken, "rejected");
    const cached = this.#cached;
    if (cached?.token.accessToken === accessToken && cached.expiresAt > 0) {
      if (this.#rejections.isWaiting) return cached.token;
      this.#rejections.recordFailure();
      cached.renewAt = cached.expiresAt = 0;
    }
    const token = await this.token({ signal });
    // A new source, or a request that was in flight before, may have loaded the rejected token from the store.
    return cached || token.accessToken !== accessToken ? token : this.renew(rejected, { signal });
  }

  /** The cached token, unless it has expired or was rejected. `isDue` is set when it should be renewed. */
  get cached(): { readonly token: Token; readonly isDue: boolean } | undefined {
    const now = Date.now();
    if (this.#cached === undefined || now >= this.#cached.expiresAt) return undefined;
    return { token: this.#cached.token, isDue: now >= this.#cached.renewAt };
  }

  /** The renewal in flight, if there is one. */
  get inFlight(): Promise<unknown> | undefined {
    return this.#inFlight;
  }

  /** What the token can be refreshed with. */
  get refreshState(): TokenState {
    const state = this.#renewal.refreshState;
    return this.#cached ? { ...state, expiresAt: this.#cached.token.expiresAt } : state;
  }

  /** Stops using a token that was rejected, if it is the cached one. Unlike `renew`, it doesn't request another one. */
  reject(rejected: string | Token): void {
    const accessToken = typeof rejected === "string" ? rejected : rejected.accessToken;
    const cached = this.#cached;
    if (cached?.token.accessToken === accessToken) cached.renewAt = cached.expiresAt = 0;
  }

  /** Shares one renewal among concurrent callers. */
  #renewOnce(): Promise<Token> {
    this.#inFlight ??= this.#renew().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #renew(): Promise<Token> {
    const { token, expiresAt } = this.#cached ?? {};
    if (expiresAt !== 0) this.#rejections.reset();
    try {
      const next = await this.#renewal.next(token?.accessToken);
      this.#failures.reset();
      this.#cached = this.#withRenewalTime(next);
      return next;
    } catch (reason) {
      // No request was sent to the server that could overload it.
      if (!(reason instanceof TokenStoreError)) this.#failures.recordFailure(retryAfter(reason));
      this.#lastError = reason;
      throw reason;
    }
  }

  #withRenewalTime(token: Token): CachedToken {
    const { expiresAt, expiresIn } = token;
    if (expiresAt === null) return { token, expiresAt: Number.POSITIVE_INFINITY, renewAt: Number.POSITIVE_INFINITY };
    const lifetime = expiresIn === null ? expiresAt - Date.now() : expiresIn * 1000;
    const margin = Math.min(this.#margin, lifetime / 4);
    return { token, expiresAt, renewAt: expiresAt - margin * (1 + this.#jitter * Math.random()) };
  }
}

/** Milliseconds of the response's `Retry-After` (RFC 9110 §10.2.3). Supports only a number of seconds. */
function retryAfter(reason: unknown): number {
  const header = reason instanceof OAuthError ? reason.response?.headers.get("retry-after") : undefined;
  return /^\d+$/.test(header ?? "") ? Number(header) * 1000 : 0;
}
