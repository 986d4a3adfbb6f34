/**
 * Work on the event loop that can come in bursts, such as signatures with a key in memory. It would stop the loop, so after a few
 * milliseconds the rest waits for the loop's next turn, in the order of the calls.
 */

/** Milliseconds of one turn of the event loop. */
const BUDGET = 5;

/** Divides work of one kind among the turns of the event loop. */
export class LoopTurns {
  readonly #waiting: (() => void)[] = [];
  /** Monotonic time of the first work in this turn. */
  #startedAt: number | undefined;

  /**
   * Calls `work` in this turn of the event loop if there is time left, or else in a later one.
   *
   * @param work - Works synchronously, as a rule. `isLater`: whether the call had to wait.
   */
  run<T>(work: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
    if (this.#waiting.length === 0 && this.#timeLeft() > 0) return work(false);
    return this.#waitForTurn().then(() => this.#workAndContinue(work));
  }

  #timeLeft(): number {
    const now = performance.now();
    if (this.#startedAt === undefined) {
      this.#startedAt = now;
      setImmediate(() => this.#endTurn());
    }
    return this.#startedAt + BUDGET - now;
  }

  #waitForTurn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next one may follow in the same turn, but not before this one has ended. */
  #workAndContinue<T>(work: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
    try {
      return work(true);
    } finally {
      if (this.#timeLeft() > 0) this.#waiting.shift()?.();
    }
  }

  #endTurn(): void {
    this.#startedAt = undefined;
    if (this.#waiting.length === 0) return;
    this.#timeLeft();
    this.#waiting.shift()?.();
  }
}
