/** Repeats requests that failed for a reason that can pass: throttling, a server that is restarted, a lost connection. */
import { setTimeout as sleep } from "node:timers/promises";
import { timeLeftOf } from "../../src/deadline.js";
import { retryDelayOf } from "./errors.js";

/** Milliseconds before the second, third and fourth attempt, unless the service names a longer time. */
const PAUSES = [100, 400, 1_600] as const;

/**
 * Repeats a request up to three times. Waits as long as the header `Retry-After` says, if the time limit allows it;
 * otherwise, it throws at once.
 *
 * @param signal - The signal of the whole call, as a provider gets it.
 * @param send - Sends the request. It must be harmless to repeat.
 * @throws What `send` throws.
 */
export async function withRetries<T>(signal: AbortSignal, send: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES) {
    try {
      return await send();
    } catch (error) {
      const delay = retryDelayOf(error);
      if (delay === undefined) throw error;
      // A random part keeps clients that were throttled together from coming back together.
      const wait = Math.max(pause, delay) * (1 + Math.random() / 4);
      if (signal.aborted || wait >= timeLeftOf(signal)) throw error;
      await sleep(wait, undefined, { signal });
    }
  }
  return send();
}
