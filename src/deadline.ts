/** One operation's limit: it ends when its time is up or its caller gives up, even if the work behind it never does. */

/** What the work is handed. The signal is made when first asked for: most signatures never ask. */
export interface Deadline {
  readonly signal: AbortSignal;
}

interface Limit {
  /** Milliseconds; `Infinity` for none. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** What the caller sees when the limit is met before the work is done. */
  stopped: (why: "timeout" | "aborted", cause?: unknown) => unknown;
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

/**
 * One caller's patience: whoever gives up stops waiting, whatever the work does. It is not stopped: hand it the signal too.
 *
 * @param work - rejects rather than throws
 * @returns what the work returns
 * @throws the signal's reason as soon as it aborts, as `fetch` does; else what the work throws
 */
export function untilAborted<T>(signal: AbortSignal | null | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  if (signal.aborted) return Promise.reject(signal.reason);
  return race(work(), { timeout: Number.POSITIVE_INFINITY, signal, stopped: (_, cause) => cause });
}

/** Milliseconds: the longest delay of `setTimeout`, which fires at once for a longer one. */
export const LONGEST_TIMEOUT = 2 ** 31 - 1;

class Ending implements Deadline {
  #controller: AbortController | undefined;
  #reason: unknown;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  end(reason: unknown): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

function race<T>(work: Promise<T>, { timeout, signal, stopped }: Limit, ending?: Ending): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const stop = (reason: unknown) => {
      settle();
      ending?.end(reason);
      reject(reason);
    };
    const onAbort = () => stop(stopped("aborted", signal?.reason));
    const onTimeout = () => stop(stopped("timeout"));
    const timer =
      timeout === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTimeout, Math.min(timeout, LONGEST_TIMEOUT));
    signal?.addEventListener("abort", onAbort, { once: true });
    work.finally(settle).then(resolve, reject);
  });
}
