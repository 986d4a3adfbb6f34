/** How long to leave a server alone that has failed: twice as long after each failure, and never quite the same. */

export interface BackoffOptions {
  /** Milliseconds after the first failure. Default 1,000. */
  first?: number | undefined;
  /** Milliseconds at most. Default 60,000. */
  most?: number | undefined;
}

export class Backoff {
  readonly #first: number;
  readonly #most: number;
  #failures = 0;
  #until = 0; // by the clock that nobody sets

  constructor({ first = 1000, most = 60_000 }: BackoffOptions = {}) {
    this.#first = first;
    this.#most = most;
  }

  get waiting(): boolean {
    return performance.now() < this.#until;
  }

  /** @param atLeast - milliseconds that the server itself asked for */
  failed(atLeast = 0): void {
    const longest = Math.min(this.#first * 2 ** this.#failures++, this.#most);
    this.#until = performance.now() + Math.max(longest * (0.5 + Math.random() / 2), Math.min(atLeast, this.#most));
  }

  reset(): void {
    this.#failures = 0;
    this.#until = 0;
  }
}
