/** Why an authorization server rejected a form, as far as a new proof or assertion can help (RFC 9449 §8). */
import type { ProofRejection } from "../dpop/proof-retry.js";

/** Whether the status can be that of a rejected proof: RFC 9449 §8 requires 400, but some servers respond with 401. */
export function mayRejectProof(status: number): boolean {
  return status === 400 || status === 401;
}

/**
 * Reads the error code of a response. The clock may be wrong if the code is that of an invalid proof, or if the
 * client's assertion, which was signed at the same time, was rejected.
 *
 * @param error - The member `error` of the response's JSON object.
 * @param hasAssertion - Whether the form contained an assertion that was signed for it.
 */
export function formRejection(error: unknown, hasAssertion: boolean): ProofRejection {
  const isAssertionRejected = hasAssertion && error === "invalid_client";
  return { nonce: error === "use_dpop_nonce", clock: error === "invalid_dpop_proof" || isAssertionRejected };
}
