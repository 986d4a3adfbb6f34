/** How fast a store answers while requests wait for it. */

/** Responses, and milliseconds, from which the rate is known. */
const MIN_COUNT = 8;
const MIN_TIME = 500;
/** Responses after which the older half of the measurement is forgotten. */
const MAX_COUNT = 128;

/** Measures the time from one response to the next. */
export class ResponseRate {
  /** Milliseconds from one response to the next. 0 if it isn't known. */
  interval = 0;
  #since: number | undefined;
  #count = 0;

  /** @param isFull - Whether requests wait. Without them, the store may have had nothing to do. */
  responded(now: number, isFull: boolean): void {
    if (!isFull || this.#since === undefined) {
      this.#since = isFull ? now : undefined;
      this.#count = 0;
      return;
    }
    this.#count += 1;
    const elapsed = now - this.#since;
    if (this.#count >= MIN_COUNT && elapsed >= MIN_TIME) this.interval = elapsed / this.#count;
    if (this.#count < MAX_COUNT) return;
    this.#since += elapsed / 2;
    this.#count /= 2;
  }
}
