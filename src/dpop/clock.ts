/** The time of what is signed: the system's, corrected for each server (RFC 9449 §11.1). */
import { ServerClocks } from "./server-clocks.js";
import { originOf } from "./target-uri.js";

/** A clock with a correction for each server. A {@link DPoPProver} is one. */
export interface Clock {
  /** Returns the seconds that are added to the system time for a server. */
  clockOffsetFor(url: string | URL): number;
  /** Corrects the clock for one server by a `Date` header. Returns whether the correction has changed. */
  adjustClock(date: string | null, url: string | URL): boolean;
}

/** Seconds: the largest correction that is accepted, unless an option says otherwise. */
export const DEFAULT_MAX_SKEW = 600;

/** Creates the clock of requests without a prover. */
export function createClock(): Clock {
  const clocks = new ServerClocks(DEFAULT_MAX_SKEW, 0);
  return {
    clockOffsetFor: (url) => clocks.offsetFor(originOf(url)),
    adjustClock: (date, url) => clocks.adjust(date, originOf(url)),
  };
}

/** Allows one retry of a request without a proof, after a JWT in it was rejected because of its time. */
export class ClockRetry {
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #offset: number;
  #hasRetried = false;

  /** Create it before the first JWT is signed. */
  constructor(clock: Clock, url: URL) {
    this.#clock = clock;
    this.#url = url;
    this.#offset = clock.clockOffsetFor(url);
  }

  /**
   * Corrects the clock by the response, which also applies to later requests.
   *
   * @param rejection - Whether the time may be wrong.
   * @returns Whether the next JWT will have another time. True at most once.
   */
  canRetry(headers: Headers, { clock }: { readonly clock: boolean }): boolean {
    if (!clock || this.#hasRetried) return false;
    this.#clock.adjustClock(headers.get("date"), this.#url);
    this.#hasRetried = this.#clock.clockOffsetFor(this.#url) !== this.#offset;
    return this.#hasRetried;
  }
}
