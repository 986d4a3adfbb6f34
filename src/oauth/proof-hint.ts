/** What a person can do about a proof that a server rejected: correct the clock, or set the option `htu`. */
import { OAuthError } from "../errors.js";

/** A response that rejects a proof. */
export interface RejectedProof {
  readonly headers: Headers;
  readonly error: string | undefined;
  readonly errorDescription: string | null | undefined;
  /** Seconds. The offset of the clock by which the proof was made. */
  readonly clockOffset: number;
}

/** Errors of a rejected proof, also where a server names another one. */
const PROOF_ERRORS = ["invalid_dpop_proof", "invalid_token"];
/** Words of a description by which another cause than the clock is likely. */
const OTHER_CAUSE = /\b(?:htm|htu|ath|jti|nonce|jkt|alg|typ|signature|replay\w*)\b/i;
const MIN_SKEW = 5; // seconds
const CHECK_CLOCK =
  "Check the clock of this machine, or set the prover's option clockOffset: servers accept a proof for some seconds only.";
const CHECK_HTU =
  "If a proxy changes the URL that the server sees, set the option htu to a function that returns the server's.";
const KEYCLOAK_WINDOW = "Keycloak accepts proofs from 25 seconds before its own time to 15 seconds after it.";

/** Returns the advice as sentences. `undefined` if the response doesn't reject a proof, or there isn't any. */
export function proofHint(rejected: RejectedProof): string | undefined {
  const { error, errorDescription } = rejected;
  const words = errorDescription ?? "";
  const isProof = error === "invalid_request" ? /\bdpop proof\b/i.test(words) : PROOF_ERRORS.includes(error ?? "");
  if (!isProof) return undefined;
  if (/\bhtu\b/i.test(words)) return CHECK_HTU;
  if (OTHER_CAUSE.test(words)) return undefined;
  const advice = clockHint(rejected, /\bdpop proof is not active\b/i.test(words));
  // Spring gives no reason. If the clocks agree, another URL is the likely one.
  return advice ?? (error === "invalid_dpop_proof" && words === "" ? CHECK_HTU : undefined);
}

function clockHint({ headers, clockOffset }: RejectedProof, isKeycloak: boolean): string | undefined {
  const skew = Math.round((Date.parse(headers.get("date") ?? "") - Date.now()) / 1000) - clockOffset;
  if (Math.abs(skew) < MIN_SKEW) return undefined;
  const found = Number.isNaN(skew)
    ? "A likely cause is the clock of this machine: the server sent no Date to correct it by."
    : `The server's time differs from that of the proof by ${Math.abs(skew)} seconds.`;
  return [found, CHECK_CLOCK, ...(isKeycloak ? [KEYCLOAK_WINDOW] : [])].join(" ");
}

/** Returns the error of a request with a proof, with advice in its message if there is any. */
export function withProofHint(error: OAuthError, clockOffset: number): OAuthError {
  const { code, message, errorDescription, response } = error;
  if (response === undefined) return error;
  const { headers } = response;
  const hint = proofHint({ headers, error: error.error, errorDescription, clockOffset });
  if (hint === undefined) return error;
  return new OAuthError(code, `${message} ${hint}`, { error: error.error, errorDescription, response });
}
