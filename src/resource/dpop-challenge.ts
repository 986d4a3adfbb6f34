/** What the challenges of a response ask for (RFC 9449 §7.1). */
import { type Challenge, parseChallenges } from "./www-authenticate.js";

/** The DPoP challenges of a response. */
export interface DPoPChallenge {
  /** Their errors, and `invalid_token` of Bearer challenges, for servers that accept both schemes. */
  readonly errors: readonly (string | undefined)[];
  /** The JWS algorithms that the server lists for proofs, if it does. */
  readonly algorithms: readonly string[] | undefined;
}

/** Reads the challenges of a response. */
export function readChallenge({ headers }: Response): DPoPChallenge {
  const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
  const errors = challenges.filter(isRelevant).map(errorOf);
  const algorithms = challenges.filter(isDPoP).flatMap(({ parameters }) => parameters.get("algs")?.split(" ") ?? []);
  const names = algorithms.filter(Boolean);
  return { errors, algorithms: names.length > 0 ? names : undefined };
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
