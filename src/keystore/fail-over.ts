/** One call that several replicas can make: the next one makes it after a failure, or beside one that is slow. */
import { isSignerError } from "./signer-error.js";

/** One attempt to make the call. */
type Attempt<T> = () => Promise<T>;

interface FailOverOptions {
  /** Milliseconds after which the next attempt starts beside one that hasn't ended. Default: never. */
  hedgeAfter?: number | undefined;
  /** Creates the error for a call whose attempts have all failed with errors that are `retryable`. */
  toError(errors: readonly unknown[]): unknown;
}

/**
 * Makes the attempts in their order until one succeeds. An error that isn't `retryable` ends the call, but an attempt that is
 * already in flight may still succeed.
 *
 * @returns The first result. The other attempts aren't cancelled.
 */
export function failOver<T>(attempts: readonly Attempt<T>[], { hedgeAfter, toError }: FailOverOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const waiting = [...attempts];
    const errors: unknown[] = [];
    let inFlight = 0;
    let hedge: NodeJS.Timeout | undefined;
    const stop = () => {
      clearTimeout(hedge);
      waiting.length = 0;
    };
    const start = () => {
      clearTimeout(hedge);
      const attempt = waiting.shift();
      if (attempt === undefined) return;
      inFlight += 1;
      if (hedgeAfter !== undefined && waiting.length > 0) hedge = setTimeout(start, hedgeAfter);
      attempt().then((result) => {
        stop();
        resolve(result);
      }, fail);
    };
    const fail = (error: unknown) => {
      inFlight -= 1;
      errors.push(error);
      if (!isRetryable(error)) stop();
      start();
      if (inFlight === 0) reject(errors.find((each) => !isRetryable(each)) ?? toError(errors));
    };
    start();
  });
}

/** Whether another replica may succeed where this error occurred. */
export function isRetryable(error: unknown): boolean {
  return isSignerError(error) && error.retryable === true;
}
