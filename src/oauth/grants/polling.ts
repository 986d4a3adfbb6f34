/** Polls the token endpoint until the user has decided (RFC 8628 §3.5, CIBA Core §7.3). */
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import type { GetToken } from "../token/request-token.js";
import type { Token } from "../token/token.js";
import type { AnyTokenRequest } from "../token/token-request.js";

/** What to poll for, and how long. */
export interface PollingOptions {
  readonly request: AnyTokenRequest;
  readonly getToken: GetToken;
  /** Seconds from now. */
  readonly expiresIn: number;
  /** Seconds. `null` if the server doesn't say. */
  readonly interval: number | null;
  /** What the user did not do in time, as the end of a sentence that starts with "The user did not". */
  readonly task: string;
}

const DEFAULT_INTERVAL = 5;
const MIN_INTERVAL = 1; // also if the server allows 0
/** Longer timers could overflow. */
export const MAX_SECONDS = 24 * 60 * 60;

/** The wait for one token. */
export class Polling {
  readonly #options: PollingOptions;
  readonly #deadline: number; // monotonic time, from performance.now()
  #interval: number; // seconds

  constructor(options: PollingOptions) {
    this.#options = options;
    this.#interval = Math.max(options.interval ?? DEFAULT_INTERVAL, MIN_INTERVAL);
    this.#deadline = performance.now() + options.expiresIn * 1000;
  }

  /**
   * Polls at the server's interval. Doubles the interval after a network error, status 429 or 5xx, or an unavailable key
   * store. Without a signal, that of the request applies.
   *
   * @throws {OAuthError} With `error` `access_denied` if the user denied the request, `expired_token` if it has expired.
   */
  async token({ signal }: SignOptions = {}): Promise<Token> {
    const { getToken, request } = this.#options;
    const signals = { signal: signal ?? request.signal };
    for (;;) {
      await this.#pause(signals.signal);
      try {
        return await getToken({ ...request, ...signals });
      } catch (error) {
        this.#interval = nextInterval(error, this.#interval);
      }
    }
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    const { expiresIn, task } = this.#options;
    const remaining = this.#deadline - performance.now();
    if (remaining > 0) await sleep(Math.min(this.#interval * 1000, remaining), signal, task);
    if (performance.now() < this.#deadline) return;
    const message = `The user did not ${task} within ${expiresIn} seconds. Start again.`;
    throw new OAuthError("timeout", message, { error: "expired_token" });
  }
}

/** Returns the seconds to wait before the next poll. Rethrows an error that polling can't recover from. */
function nextInterval(error: unknown, interval: number): number {
  if (error instanceof OAuthError && error.error === "authorization_pending") return interval;
  if (error instanceof OAuthError && error.error === "slow_down") return interval + 5;
  if (isTransient(error)) return Math.min(interval * 2, MAX_SECONDS);
  throw error;
}

/** The user's confirmation must not be lost because a network, server or key store is unavailable for a moment. */
function isTransient(error: unknown): boolean {
  if (error instanceof Error && "retryable" in error) return error.retryable === true; // a SignerError
  if (!(error instanceof OAuthError)) return false;
  const { code, statusCode } = error;
  return code === "timeout" || code === "unreachable" || statusCode === 429 || (statusCode ?? 0) >= 500;
}

function sleep(milliseconds: number, signal: AbortSignal | undefined, task: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      const { reason: cause } = signal ?? {};
      reject(new OAuthError("aborted", `The caller aborted the wait for the user to ${task}.`, { cause }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
