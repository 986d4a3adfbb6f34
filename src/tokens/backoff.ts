/** Exponential backoff with jitter: the delay doubles after each failure. */

/** How long to wait after a failed token request. */
export interface BackoffOptions {
  /** Milliseconds. The maximum delay after the first failure. Default: 1,000. */
  initialDelay?: number | undefined;
  /** Milliseconds. The maximum delay after any failure. Default: 60,000. */
  maxDelay?: number | undefined;
}

/** Tracks failures, and how long to wait after the last one. */
export class Backoff {
  readonly #initialDelay: number;
  readonly #maxDelay: number;
  #failures = 0;
  #until = 0; // monotonic time, from performance.now()

  constructor({ initialDelay = 1000, maxDelay = 60_000 }: BackoffOptions = {}) {
    this.#initialDelay = initialDelay;
    this.#maxDelay = maxDelay;
  }

  /** Whether the delay after the last failure is still running. */
  get isWaiting(): boolean {
    return performance.now() < this.#until;
  }

  /**
   * Starts the next delay, which is random: between one half and the whole of the current delay.
   *
   * @param minDelay - Milliseconds that the server requested.
   */
  recordFailure(minDelay = 0): void {
    const delay = Math.min(this.#initialDelay * 2 ** this.#failures++, this.#maxDelay);
    const withJitter = delay * (0.5 + Math.random() / 2);
    this.#until = performance.now() + Math.max(withJitter, Math.min(minDelay, this.#maxDelay));
  }

  /** Ends the delay. The next failure starts with the shortest delay again. */
  reset(): void {
    this.#failures = 0;
    this.#until = 0;
  }
}
