/** The check of this machine's clock for `diagnose`: stores reject requests, and servers proofs, with a wrong time. */
import type { Finding } from "./finding.js";

/** Seconds. Some servers accept a proof only within seconds of its `iat` (RFC 9449 §11.1). */
const MAX_SKEW = 30;

/**
 * Compares the clock with the `Date` header of a response that has just arrived (RFC 9110 §6.6.1), which is exact to the
 * second.
 *
 * @param date - The header, or `null` if the response doesn't have it.
 * @param host - The server that sent it, for the finding.
 */
export function clockFinding(date: string | null, host: string): Finding {
  const check = "clock";
  const skew = Math.round((Date.now() - Date.parse(date ?? "")) / 1000);
  if (Number.isNaN(skew)) {
    const remedy = "Compare the clock of this machine yourself: a wrong one gets requests and proofs rejected.";
    return { check, ok: null, found: `not compared: ${host} doesn't send a Date header`, remedy };
  }
  const found = `${Math.abs(skew)} s ${skew < 0 ? "behind" : "ahead of"} ${host}`;
  if (Math.abs(skew) <= MAX_SKEW) return { check, ok: true, found };
  const remedy =
    "Synchronise this machine's clock (NTP): stores reject requests, and servers proofs, with a wrong time.";
  return { check, ok: false, found, remedy };
}
