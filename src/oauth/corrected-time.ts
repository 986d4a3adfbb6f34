/** The time by a corrected clock. */
import type { Clock } from "../dpop/clock.js";

/**
 * Returns the seconds since 1970, by the clock that is corrected for a server (RFC 9449 §11.1).
 *
 * @param url - Any URL of the server.
 */
export function correctedTime(clock: Clock, url: URL): number {
  return Math.floor(Date.now() / 1000) + clock.clockOffsetFor(url);
}
