/** What a person can do about a proof or an assertion that a server rejected: correct the clock, or set the option `htu`. */
import { OAuthError } from "../errors.js";
import { endSentence } from "./error-response.js";

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
const OTHER_CAUSE =
  /\b(?:htm|ath|jti|nonce|\w*jkt|alg|typ|signature|thumbprint|missing|mismatch|malformed|used|replay\w*)\b/i;
/** Words of a description by which the URL is the cause. Keycloak says "DPoP HTTP URL mismatch". */
const WRONG_URL = /\bhtu\b|\bur[il] mismatch\b/i;
/** Words of a description by which the time is a likely cause, where the error code says too little. */
const TIME = /\b(?:time|clock|exp|nbf|iat|expired|not active|not yet|too old|too early|in the (?:past|future))\b/i;
/** A description without a cause. Keycloak says "Authentication failed." about an assertion where a request is pushed. */
const UNEXPLAINED = /^(?:authentication failed\.?)?$/i;
const MIN_SKEW = 5; // seconds
const CHECK_CLOCK = "Check the clock of this machine: servers accept an assertion for a short time only.";
const CHECK_PROVER =
  "Check the clock of this machine, or set the prover's option clockOffset: servers accept a proof for some seconds only.";
const CHECK_HTU =
  "If a proxy changes the URL that the server sees, set the option htu to a function that returns the server's.";
const KEYCLOAK_WINDOW = "Keycloak accepts proofs from 25 seconds before its own time to 15 seconds after it.";

/** Returns the advice as sentences. `undefined` if the response doesn't reject a proof, or there isn't any. */
export function proofHint(rejected: RejectedProof): string | undefined {
  const { error, errorDescription } = rejected;
  const words = errorDescription ?? "";
  if (error === "use_dpop_nonce" && !rejected.headers.has("dpop-nonce"))
    return "The server asks for a nonce, but its response has no header DPoP-Nonce. Check whether a proxy removes it.";
  const isGeneral = error === "invalid_request";
  const isProof = isGeneral ? /\bdpop\b/i.test(words) : PROOF_ERRORS.includes(error ?? "");
  if (!isProof) return undefined;
  if (WRONG_URL.test(words)) return CHECK_HTU;
  if (isGeneral ? !TIME.test(words) : OTHER_CAUSE.test(words)) return undefined;
  const check = /\bdpop proof is not active\b/i.test(words) ? `${CHECK_PROVER} ${KEYCLOAK_WINDOW}` : CHECK_PROVER;
  // Spring gives no reason. If the clocks agree, another URL is the likely one.
  return (
    clockHint(rejected, "proof", check) ?? (error === "invalid_dpop_proof" && words === "" ? CHECK_HTU : undefined)
  );
}

/** Without a `Date`, only the server's words tell a wrong time from a wrong key. */
function assertionHint(rejected: RejectedProof, advice: string): string | undefined {
  const words = rejected.errorDescription ?? "";
  if (!rejected.headers.has("date") && UNEXPLAINED.test(words))
    return `A possible cause is the clock of this machine: the server sent no Date to compare it with. ${advice}`;
  return rejected.headers.has("date") || TIME.test(words) ? clockHint(rejected, "assertion", advice) : undefined;
}

function clockHint({ headers, clockOffset }: RejectedProof, jwt: string, advice: string): string | undefined {
  const skew = Math.round((Date.parse(headers.get("date") ?? "") - Date.now()) / 1000) - clockOffset;
  if (Math.abs(skew) < MIN_SKEW) return undefined;
  const found = Number.isNaN(skew)
    ? "A likely cause is the clock of this machine: the server sent no Date to correct it by."
    : `The server's time differs from that of the ${jwt} by ${Math.abs(skew)} seconds.`;
  return `${found} ${advice}`;
}

/** What a rejected request contained, and the clock that it was signed by. */
export interface RejectedRequest extends Pick<RejectedProof, "clockOffset"> {
  readonly hasProof: boolean;
  /** The errors by which the server rejects a JWT in the form. */
  readonly assertionErrors: readonly string[];
}

/** Returns the error of a signed request, with advice in its message if there is any. */
export function withClockHint(refused: OAuthError, request: RejectedRequest): OAuthError {
  const { code, message, error, errorDescription, response } = refused;
  if (response === undefined) return refused;
  const { headers, status } = response;
  const hint = hintFor({ headers, error, errorDescription, ...request }, status);
  if (hint === undefined) return refused;
  return new OAuthError(code, `${endSentence(message)} ${hint}`, { error, errorDescription, response });
}

function hintFor(rejected: RejectedProof & RejectedRequest, status: number): string | undefined {
  const { hasProof, assertionErrors, error = "", headers } = rejected;
  const ofProof = hasProof ? proofHint(rejected) : undefined;
  if (ofProof !== undefined) return ofProof;
  if (assertionErrors.includes(error)) return assertionHint(rejected, hasProof ? CHECK_PROVER : CHECK_CLOCK);
  // Keycloak fails if a proof is exactly as old as it may be.
  return hasProof && status >= 500 && headers.has("date") ? clockHint(rejected, "proof", CHECK_PROVER) : undefined;
}
