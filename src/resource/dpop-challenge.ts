/** What the challenges of a response ask for (RFC 9449 §7.1). */

import { type Challenge, parseChallenges } from "../oauth/www-authenticate.js";
import type { Rejection } from "./credentials.js";

/**
 * Reads the DPoP challenges of a response with status 401, and `invalid_token` of Bearer challenges, for servers that
 * accept both schemes.
 */
export function readChallenge(headers: Headers): Rejection {
  const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
  const errors = challenges.filter(isRelevant).map(errorOf);
  const algorithms = challenges.filter(isDPoP).flatMap(({ parameters }) => parameters.get("algs")?.split(" ") ?? []);
  const names = algorithms.filter(Boolean);
  return {
    nonce: errors.includes("use_dpop_nonce"),
    clock: errors.includes("invalid_dpop_proof"),
    token: errors.includes("invalid_token"),
    algorithms: names.length > 0 ? names : undefined,
  };
}

function isRelevant(challenge: Challenge): boolean {
  return isDPoP(challenge) || (challenge.scheme === "bearer" && errorOf(challenge) === "invalid_token");
}

function isDPoP({ scheme }: Challenge): boolean {
  return scheme === "dpop";
}

function errorOf({ parameters }: Challenge): string | undefined {
  return parameters.get("error");
}
