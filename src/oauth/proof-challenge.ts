/** What the challenges of a response ask for (RFC 9449 §7.1). */
import type { ProofRejection } from "../dpop/proof-retry.js";
import { type Challenge, parseChallenges } from "./www-authenticate.js";

/** Why a server rejected a request with a proof, according to its challenges. */
export interface ProofChallenge extends ProofRejection {
  /** Whether the access token isn't valid. */
  readonly token: boolean;
  /** Whether there is a challenge that isn't about the token: a new one can't help. */
  readonly other: boolean;
  /** Whether no challenge names an error: some servers give no reason for a rejected proof. */
  readonly unexplained: boolean;
}

/** Errors that a new token can't remove. */
const NOT_ABOUT_TOKEN = [
  "invalid_dpop_proof",
  "use_dpop_nonce",
  "insufficient_scope",
  "insufficient_user_authentication",
];

/**
 * Reads the challenges of a response. A challenge of any scheme may demand a nonce. The token may be invalid according to a
 * DPoP or Bearer challenge, since servers may accept both schemes.
 *
 * Some servers, such as Keycloak, call the token invalid if the proof's time is wrong.
 */
export function proofChallenge(headers: Headers): ProofChallenge {
  const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
  const errors = challenges.map(errorOf);
  const ofDPoP = challenges.filter(({ scheme }) => scheme === "dpop");
  const proofErrors = ofDPoP.map(errorOf);
  const tokenErrors = challenges.filter(({ scheme }) => scheme === "dpop" || scheme === "bearer").map(errorOf);
  const names = ofDPoP.flatMap(({ parameters }) => parameters.get("algs")?.split(/[ ,]+/) ?? []).filter(Boolean);
  return {
    nonce: errors.includes("use_dpop_nonce"),
    clock: proofErrors.includes("invalid_dpop_proof") || proofErrors.includes("invalid_token"),
    token: tokenErrors.includes("invalid_token"),
    other: errors.some((error) => error !== undefined && NOT_ABOUT_TOKEN.includes(error)),
    unexplained: errors.every((error) => error === undefined),
    algorithms: names.length > 0 ? names : undefined,
  };
}

function errorOf({ parameters }: Challenge): string | undefined {
  return parameters.get("error");
}
