/** One call to a key store: it ends in time, and each of its errors is a SignerError that names the key or the store. */
import { type Deadline, withDeadline } from "../deadline.js";
import { SignerError } from "../errors.js";

export interface StoreCall {
  /** Of the key or the store, without any PIN: it is in every error. */
  readonly uri: string;
  /** In words, for errors: `signing`. */
  readonly doing: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** The caller's. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT = 30_000;
/** What a timer takes; beyond, it would fire at once. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Runs work of the store's: at once where it is synchronous, else inside the time and the caller's patience.
 *
 * @returns what the work returns
 * @throws {SignerError} as the work throws it, with the URI; code `unavailable` for errors of any other kind, `timeout`
 *   and `aborted` for work that did not end
 */
export function callStore<Result>(call: StoreCall, work: (use: Deadline) => Result): Result;
export function callStore<T>(call: StoreCall, work: (use: Deadline) => T | Promise<T>): T | Promise<T> {
  const { uri, doing, timeout, signal } = call;
  const stopped = (code: "timeout" | "aborted", cause?: unknown) => {
    const message = code === "timeout" ? `No answer within ${timeout} ms while ${doing}.` : `Given up while ${doing}.`;
    return named(uri, code, message, cause);
  };
  try {
    const result = withDeadline({ timeout, signal, stopped }, work);
    if (!(result instanceof Promise)) return result;
    return result.catch((error) => {
      throw owned(uri, error);
    });
  } catch (error) {
    throw owned(uri, error);
  }
}

/** @throws {SignerError} code `misconfigured` if it is no time that can be waited for */
export function checkTimeout(uri: string, timeout = DEFAULT_TIMEOUT): number {
  if (timeout > 0 && timeout <= LONGEST_TIMEOUT) return timeout;
  throw named(uri, "misconfigured", "timeout must be a number of milliseconds above 0, and at most 24 days.");
}

/** An error as one that names its key. */
export function owned(uri: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== "SignerError")
    return named(uri, "unavailable", "The key store failed in a way that its provider does not know.", error);
  if (!(error instanceof SignerError) || error.uri !== undefined) return error;
  return named(uri, error.code, error.message, error.cause);
}

export function named(uri: string, code: SignerError["code"], message: string, cause?: unknown): SignerError {
  return new SignerError(code, `${uri}: ${message}`, { uri, cause });
}
