/** Proof Key for Code Exchange (RFC 7636), by S256 alone. */
import { hash, randomBytes } from "node:crypto";

export interface PkcePair {
  /** 43 characters, for the token request: a secret. */
  readonly codeVerifier: string;
  /** 43 characters, for the authorization request. */
  readonly codeChallenge: string;
  readonly codeChallengeMethod: "S256";
}

/** @returns a fresh pair (RFC 7636 §4.1, §4.2) */
export function pkcePair(): PkcePair {
  const codeVerifier = randomBytes(32).toString("base64url");
  return { codeVerifier, codeChallenge: challengeOf(codeVerifier), codeChallengeMethod: "S256" };
}

/** @returns base64url of the verifier's SHA-256, 43 characters */
export function challengeOf(codeVerifier: string): string {
  return hash("sha256", codeVerifier, "base64url");
}
