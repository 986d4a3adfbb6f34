/** Requests that a key store never answers: each attempt has a part of the time, so that a hanging one can be repeated. */
import { timeLeftOf, withDeadline } from "../deadline.js";

/**
 * Parts of the whole time that an attempt has before it is aborted and repeated. The last attempt has the rest, which is
 * half of the time, so that a store that is merely slow still answers.
 */
const SHARES = [1 / 6, 1 / 3] as const;

const hanging = Symbol("hanging");

/**
 * Repeats a request that isn't answered in its part of the time: after a sixth of it, and after a third more.
 *
 * @example
 * ```ts
 * const response = await withAttempts(signal, (signal) => client.sign(digest, { abortSignal: signal }));
 * ```
 * @param signal - The signal of the whole call, as a provider gets it. With any other signal, there is one attempt, since
 *   the time that is left isn't known.
 * @param work - Sends the request. It must be harmless to repeat: signing and reading are, creating a key isn't.
 * @returns What the work returns.
 * @throws What the work throws. Errors aren't repeated.
 */
export async function withAttempts<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const timeLeft = timeLeftOf(signal);
  if (timeLeft === Number.POSITIVE_INFINITY) return work(signal);
  const toError = (reason: "timeout" | "aborted", cause?: unknown) => (reason === "timeout" ? hanging : cause);
  for (const share of SHARES) {
    try {
      return await withDeadline({ timeout: timeLeft * share, signal, toError }, (attempt) => work(attempt.signal));
    } catch (error) {
      if (error !== hanging) throw error;
    }
  }
  return work(signal);
}
