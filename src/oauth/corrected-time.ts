/** The time by the corrected clock of a prover. */
import type { DPoPProver } from "../dpop/prover.js";

/**
 * Returns the seconds since 1970, by the clock that the prover's proofs for a server have (RFC 9449 §11.1), or the system's.
 *
 * @param url - Any URL of the server.
 */
export function correctedTime(prover: DPoPProver | undefined, url: URL): number {
  return Math.floor(Date.now() / 1000) + (prover?.clockOffsetFor(url) ?? 0);
}
