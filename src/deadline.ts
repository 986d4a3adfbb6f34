/** One operation's limit: it ends when its time is up or its caller gives up, even if the work behind it never does. */

/** What the work is handed. The signal is made when first asked for: most signatures never ask. */
export interface Deadline {
  readonly signal: AbortSignal;
}

interface Limit {
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** The error that the caller sees when the limit is met before the work is done. */
  stopped: (why: "timeout" | "aborted", cause?: unknown) => Error;
}

/**
 * Runs the work inside the limit.
 *
 * @returns what the work returns
 * @throws what the work throws, or `stopped(…)` when the time is up or `signal` aborts
 */
export function withDeadline<T>(limit: Limit, work: (deadline: Deadline) => T | Promise<T>): Promise<T> {
  const { timeout, signal, stopped } = limit;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(stopped("aborted", signal.reason));
    let controller: AbortController | undefined;
    let ended: Error | undefined;

    const stop = (error: Error) => {
      settle();
      ended = error;
      controller?.abort(error);
      reject(error);
    };
    const onAbort = () => stop(stopped("aborted", signal?.reason));
    const timer = setTimeout(() => stop(stopped("timeout")), timeout);
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };

    const deadline: Deadline = {
      get signal() {
        controller ??= new AbortController();
        if (ended) controller.abort(ended);
        return controller.signal;
      },
    };
    // The executor turns a synchronous throw into a rejection, so both kinds of failure end here.
    new Promise<T>((done) => done(work(deadline))).then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}
