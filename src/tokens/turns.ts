/** Runs work in turn, within one process. */
import { untilAborted } from "../deadline.js";

/** Runs work with the same key one after the other. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * @param signal - Stops waiting for the turn. Doesn't stop work that has started.
   * @throws The signal's reason, or what the work throws.
   */
  run(key: string, work: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = untilAborted(signal, () => before).then(work);
    const ended = Promise.allSettled([before, turn]).then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    this.#last.set(key, ended);
    return turn;
  }
}
