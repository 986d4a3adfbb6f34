/** Notices about a key store that may wait for its user: a confirmation, a touch, a fingerprint. */
import { waitingChannel } from "../tracing.js";

/** Milliseconds until a program should tell its user. A store that doesn't ask anyone is faster. */
const PATIENCE = 2_000;

/**
 * Publishes a `WaitingTrace` on the channel `hardproof.waiting` if the work takes longer than two seconds.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 * @returns What the work returns.
 */
export async function reportWaiting<T>(uri: string, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => waitingChannel.publish({ uri }), PATIENCE);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
