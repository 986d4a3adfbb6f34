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
 * Runs the work inside the limit. Work that is done when it returns needs none.
 *
 * @returns what the work returns
 * @throws what the work throws, or `stopped(…)` when the time is up or `signal` aborts
 */
export function withDeadline<Result>(limit: Limit, work: (deadline: Deadline) => Result): Result;
export function withDeadline<T>(limit: Limit, work: (deadline: Deadline) => T | Promise<T>): T | Promise<T> {
  const { signal, stopped } = limit;
  if (signal?.aborted) throw stopped("aborted", signal.reason);
  const ending = new Ending();
  const result = work(ending);
  return result instanceof Promise ? race(result, limit, ending) : result;
}

class Ending implements Deadline {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  end(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

function race<T>(work: Promise<T>, { timeout, signal, stopped }: Limit, ending: Ending): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const stop = (error: Error) => {
      settle();
      ending.end(error);
      reject(error);
    };
    const onAbort = () => stop(stopped("aborted", signal?.reason));
    const timer = setTimeout(() => stop(stopped("timeout")), timeout);
    signal?.addEventListener("abort", onAbort, { once: true });
    work.finally(settle).then(resolve, reject);
  });
}
