/** Why a server rejected a request, as far as a new proof or assertion can help (RFC 9449 §8). */
import type { ProofRejection } from "../dpop/proof-retry.js";
import type { HttpResponse } from "./http.js";
import { proofChallenge } from "./proof-challenge.js";
import { isErrorBody } from "./server-error.js";

/** A response that may reject a proof. */
export interface RejectedForm {
  readonly headers: Headers;
  /** The JSON object of the body, if it is one. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** The signed parts of a request, which have a time. */
export interface TimedJwts {
  readonly hasProof: boolean;
  /** The errors by which the server rejects a JWT in the request. */
  readonly assertionErrors: readonly string[];
}

/**
 * Whether the status can be that of a rejected proof: authorization servers respond with 400 (RFC 9449 §8) and resource
 * servers with 401 (§7.1), but some do the opposite.
 */
export function mayRejectProof(status: number): boolean {
  return status === 400 || status === 401;
}

/** Errors for a client assertion (RFC 7523 §3.2). Keycloak says `invalid_request` where a request is pushed. */
export const CLIENT_ASSERTION_ERRORS: readonly string[] = [
  "invalid_client",
  "invalid_client_attestation",
  "invalid_request",
];
/** Errors of a proof whose time may be wrong. Keycloak says `invalid_request`. */
const CLOCK_ERRORS = ["invalid_dpop_proof", "invalid_request"];

/**
 * Reads the error of a response to a form, from its body or its challenges. The clock may be wrong if the error can be
 * that of an invalid proof, or of a JWT in the form that was signed at the same time.
 *
 * @param assertionErrors - The errors by which a JWT that was signed for the form can be rejected.
 */
export function formRejection(
  { headers, body }: RejectedForm,
  assertionErrors: readonly string[] = [],
): ProofRejection {
  const { nonce, clock, algorithms } = proofChallenge(headers);
  const error = errorCodeOf(body) ?? "";
  const mayBeClock = [...CLOCK_ERRORS, ...assertionErrors].includes(error);
  return { nonce: nonce || error === "use_dpop_nonce", clock: clock || mayBeClock, algorithms };
}

/** Reads why a request was rejected, as far as signing it again can help. */
export function rejectionOf(
  { response, body }: HttpResponse,
  { hasProof, assertionErrors }: TimedJwts,
): ProofRejection {
  if (response.ok && !isErrorBody(body)) return { nonce: false, clock: false };
  const mayBeClock = response.ok || mayRejectProof(response.status);
  if (!hasProof) return { nonce: false, clock: mayBeClock && assertionErrors.includes(errorCodeOf(body) ?? "") };
  const { nonce, clock } = formRejection({ headers: response.headers, body }, assertionErrors);
  return { nonce, clock: mayBeClock && clock };
}

/** Returns the error code of a body: its `error`, or the `code` of an object there. */
export function errorCodeOf(body: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const { error } = body ?? {};
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : error;
  return typeof code === "string" ? code : undefined;
}
