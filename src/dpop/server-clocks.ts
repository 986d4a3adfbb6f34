/** How far the clock of each server differs from the system's, by origin, as its nonces are (RFC 9449 §11.1). */
import { LruMap } from "../lru-map.js";

const MAX_ORIGINS = 256;
const MIN_SKEW = 5; // seconds

/** Clock corrections by origin. Evicts the least recently corrected origin when it is full. */
export class ServerClocks {
  /** Seconds that are added to the system time for a server without a correction of its own. */
  default: number;
  readonly #initial: number;
  readonly #maxSkew: number;
  readonly #offsets = new LruMap<string, number>(MAX_ORIGINS);

  /**
   * @param maxSkew - Seconds: the largest correction that is accepted.
   * @param initial - Seconds: the default until it is corrected.
   */
  constructor(maxSkew: number, initial: number) {
    this.#maxSkew = maxSkew;
    this.#initial = this.default = initial;
  }

  /** Returns the seconds that are added to the system time for the server. */
  offsetFor(origin: string): number {
    return this.#offsets.get(origin) ?? this.default;
  }

  /**
   * Corrects the clock of one server, or the default. Ignores a change of less than five seconds, and a correction that
   * differs from the initial one by more than `maxSkew`.
   *
   * @param date - The value of a `Date` header.
   * @returns Whether the correction has changed.
   */
  adjust(date: string | null, origin?: string): boolean {
    const offset = Math.round((Date.parse(date ?? "") - Date.now()) / 1000);
    const current = origin === undefined ? this.default : this.offsetFor(origin);
    if (!(Math.abs(offset - this.#initial) <= this.#maxSkew) || Math.abs(offset - current) < MIN_SKEW) return false;
    if (origin === undefined) this.default = offset;
    else this.#offsets.set(origin, offset);
    return true;
  }
}
