/** Proof Key for Code Exchange (RFC 7636), by S256 alone. */
import { hash, randomBytes } from "node:crypto";
import { misconfigured } from "../assert.js";

const VERIFIER = /^[-._~0-9A-Za-z]{43,128}$/;

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

/**
 * @returns base64url of the verifier's SHA-256, 43 characters
 * @throws {OAuthError} code `misconfigured` for a verifier that is none: too short to be a secret, perhaps
 */
export function challengeOf(codeVerifier: string): string {
  if (typeof codeVerifier !== "string" || !VERIFIER.test(codeVerifier))
    throw misconfigured("codeVerifier must be 43 to 128 unreserved characters (RFC 7636 §4.1).");
  return hash("sha256", codeVerifier, "base64url");
}
