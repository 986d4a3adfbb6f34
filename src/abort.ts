/** One caller's patience: whoever gives up stops waiting, whatever the work does. */

/**
 * @param work - rejects rather than throws. It is not stopped: hand it the signal too if it can be
 * @returns what the work returns
 * @throws the signal's reason as soon as it aborts, as `fetch` does; else what the work throws
 */
export function untilAborted<T>(signal: AbortSignal | null | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    const stopListening = () => signal.removeEventListener("abort", giveUp);
    signal.addEventListener("abort", giveUp, { once: true });
    work().then(resolve, reject).finally(stopListening);
  });
}
