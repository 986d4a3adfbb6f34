/** Proof Key for Code Exchange (RFC 7636). Supports only the S256 method. */
import { hash, randomBytes } from "node:crypto";
import { misconfigured } from "../assert.js";

const VERIFIER = /^[-._~0-9A-Za-z]{43,128}$/;

/** The result of {@link pkcePair}. */
export interface PkcePair {
  /** A secret of 43 characters, for the token request. */
  readonly codeVerifier: string;
  /** 43 characters, for the authorization request. */
  readonly codeChallenge: string;
  /** The code challenge method, for the authorization request. */
  readonly codeChallengeMethod: "S256";
}

/** Generates a random code verifier and its code challenge (RFC 7636 §4.1, §4.2). */
export function pkcePair(): PkcePair {
  const codeVerifier = randomBytes(32).toString("base64url");
  return { codeVerifier, codeChallenge: codeChallengeOf(codeVerifier), codeChallengeMethod: "S256" };
}

/**
 * Computes the code challenge of a verifier.
 *
 * @returns The verifier's SHA-256 hash, base64url, 43 characters.
 * @throws {OAuthError} With code `misconfigured` if the verifier is too short, too long, or contains other characters.
 */
export function codeChallengeOf(codeVerifier: string): string {
  if (typeof codeVerifier !== "string" || !VERIFIER.test(codeVerifier))
    throw misconfigured("codeVerifier must be 43 to 128 unreserved characters (RFC 7636 §4.1).");
  return hash("sha256", codeVerifier, "base64url");
}
