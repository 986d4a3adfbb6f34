/** Calls to a key store: each has a time limit, and every error is a `SignerError` that names the key or the store. */
import { type Deadline, LONGEST_TIMEOUT, withDeadline } from "../deadline.js";
import { signerError, withKeyUri } from "./signer-error.js";
import { reportWaiting } from "./waiting.js";

/** One call to a key store. */
export interface StoreCall {
  /** The URI of the key or the store, for errors. It must not contain a secret. */
  readonly uri: string;
  /** What the call does, for errors, such as `signing`. */
  readonly operation: string;
  /** Milliseconds, as {@link checkTimeout} returns them. */
  readonly timeout: number;
  /** Aborts the call with code `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT = 30_000;

/**
 * Runs work of a key store within a time limit. Synchronous work isn't limited.
 *
 * @param work - Talks to the store. It should pass the signal on to the store's client.
 * @returns What the work returns.
 * @throws {SignerError} What the work throws, with the URI added. Any other error becomes one with code `unexpected`.
 *   If the work doesn't end in time, the code is `timeout` or `aborted`.
 */
export function callStore<Result>(call: StoreCall, work: (deadline: Deadline) => Result): Result;
export function callStore<T>(call: StoreCall, work: (deadline: Deadline) => T | Promise<T>): T | Promise<T> {
  const { uri, operation, timeout, signal } = call;
  const toError = (code: "timeout" | "aborted", cause?: unknown) => {
    const message = code === "timeout" ? `No response within ${timeout} ms` : "Aborted by the caller";
    return signerError(uri, code, `${message} while ${operation}.`, cause);
  };
  try {
    const result = withDeadline({ timeout, signal, toError }, work);
    if (!(result instanceof Promise)) return result;
    return reportWaiting(uri, result).catch((error) => {
      throw withKeyUri(uri, error);
    });
  } catch (error) {
    throw withKeyUri(uri, error);
  }
}

/** A client of a key store. */
export interface Closable {
  /** Releases the client's connections. */
  close(): void | Promise<void>;
}

/**
 * Connects to a key store, runs work with the client, and closes the client, all within one time limit.
 *
 * @param connect - Returns a client of the store.
 * @param work - Uses the client. It should pass the signal on.
 * @returns What the work returns.
 * @throws {SignerError} As {@link callStore} does.
 */
export function withClient<Client extends Closable, T>(
  call: StoreCall,
  connect: (deadline: Deadline) => Promise<Client>,
  work: (client: Client, deadline: Deadline) => Promise<T>,
): Promise<T> {
  return callStore(call, async (deadline) => {
    const client = await connect(deadline);
    try {
      return await work(client, deadline);
    } finally {
      await client.close();
    }
  });
}

/**
 * Checks the `timeout` option of a signer.
 *
 * @param uri - The URI of the key or the store, for the error.
 * @returns Milliseconds: the option, or 30,000 if it is undefined.
 * @throws {SignerError} With code `misconfigured` if a timer can't wait that long.
 */
export function checkTimeout(uri: string, timeout = DEFAULT_TIMEOUT): number {
  if (timeout > 0 && timeout <= LONGEST_TIMEOUT) return timeout;
  throw signerError(uri, "misconfigured", "timeout must be a number of milliseconds above 0, and at most 24 days.");
}
