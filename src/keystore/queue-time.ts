/** Whether a request that waits for a key can still be signed inside its caller's time limit. */
import { SignerError } from "../errors.js";

/** Estimates are rough, so a request is refused only if it would wait clearly longer than it has time. */
const MARGIN = 1.5;

/**
 * Returns whether a request may wait.
 *
 * @param wait - Milliseconds until the signature is expected.
 * @param timeLeft - Milliseconds until the caller's limit.
 */
export function isInTime(wait: number, timeLeft = Number.POSITIVE_INFINITY): boolean {
  return wait <= MARGIN * timeLeft;
}

/**
 * Creates the error for a request that can't be signed in time, with code `throttled`.
 *
 * @param ahead - How many requests wait before it.
 */
export function tooManyWaiting(ahead: number, wait: number, timeLeft = Number.POSITIVE_INFINITY): SignerError {
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);
  const message =
    `${ahead} signatures are already waiting for the key, which takes about ${seconds(wait)} s, but the request must be ` +
    `signed within ${seconds(timeLeft)} s. Send fewer requests at once, or raise the option timeout.`;
  return new SignerError("throttled", message);
}
