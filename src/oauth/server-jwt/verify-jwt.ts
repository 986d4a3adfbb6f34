/** Verifies a JWT that the server signed (RFC 7519 §7.2), by jose, which is loaded at the first use. */
import type { CryptoKey, JWTVerifyOptions } from "jose";
import { OAuthError } from "../../errors.js";
import { displayUrl } from "../http.js";
import { type KeySet, type KeySetSource, withKeySet } from "./key-set.js";

/** What a JWT must be. */
export interface ExpectedJwt {
  /** The JWT's name at the beginning of an error: `The ID token`. */
  what: string;
  /** The expected `iss`. */
  issuer: string;
  /** The expected `aud`, and no other. */
  clientId: string;
  /** The names of the JWS algorithms that are accepted. */
  algorithms: readonly string[];
  /** The option that sets the algorithm, for errors. */
  option: string;
  /** Claims that must be present, besides `iss`, `aud` and `exp`. */
  requiredClaims?: readonly string[];
  /** Seconds since 1970. */
  now: number;
  /** The response that contains the JWT, for errors. */
  response?: Response | undefined;
}

/** A JWT whose signature, `iss`, `aud`, `exp` and `nbf` were verified. */
export interface VerifiedJwt {
  readonly claims: Readonly<Record<string, unknown>>;
  /** The JWS algorithm, as the header names it. */
  readonly alg: string;
}

/** Seconds by which the clocks of the client and the server may differ. */
export const CLOCK_TOLERANCE = 60;

/**
 * Verifies a JWT.
 *
 * @param source - The server's keys.
 * @throws {OAuthError} With code `invalid-response` if the JWT isn't what was expected. The message names the claim and
 *   what was expected, but doesn't contain any part of the JWT except `alg`.
 */
export async function verifyJwt(jwt: string, source: KeySetSource, expected: ExpectedJwt): Promise<VerifiedJwt> {
  const { issuer, clientId: audience, algorithms, requiredClaims = [], now } = expected;
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ["exp", ...requiredClaims],
    clockTolerance: CLOCK_TOLERANCE,
    currentDate: new Date(now * 1000),
  };
  try {
    const verify = (keys: KeySet) => verifyByAnyKey(jwt, keys, options);
    const { payload, protectedHeader } = await withKeySet(source, verify, isKeyError);
    const hasOtherAudience = Array.isArray(payload.aud) && payload.aud.some((value) => value !== audience);
    if (hasOtherAudience) throw wrongClaim(expected, "aud", `only ${audience}`);
    return { claims: payload, alg: protectedHeader.alg };
  } catch (error) {
    if (error instanceof OAuthError) throw error;
    throw invalidJwt(expected, await problemOf(error, jwt, source, expected));
  }
}

/** Creates the error for a claim of the wrong value. */
export function wrongClaim(expected: ErrorContext, claim: string, value: string): OAuthError {
  return invalidJwt(expected, `has the wrong ${claim}: expected ${value}`);
}

/** What the error for a JWT contains. */
export type ErrorContext = Pick<ExpectedJwt, "what" | "response">;

/** Creates the error for an invalid JWT. */
export function invalidJwt({ what, response }: ErrorContext, problem: string): OAuthError {
  return new OAuthError("invalid-response", `${what} ${problem}. It was not accepted.`, response && { response });
}

/** Verifies with each key in turn if several match, since a server may omit `kid` (OpenID Connect Core §10.1). */
async function verifyByAnyKey(jwt: string, keys: KeySet, options: JWTVerifyOptions) {
  const { jwtVerify } = await import("jose");
  try {
    return await jwtVerify(jwt, keys, options);
  } catch (error) {
    if (!isJoseError(error) || error.code !== "ERR_JWKS_MULTIPLE_MATCHING_KEYS") throw error;
    return await firstVerified(error as unknown as AsyncIterable<CryptoKey>, (key) => jwtVerify(jwt, key, options));
  }
}

async function firstVerified<T>(keys: AsyncIterable<CryptoKey>, verify: (key: CryptoKey) => Promise<T>): Promise<T> {
  let lastError: unknown;
  for await (const key of keys) {
    try {
      return await verify(key);
    } catch (error) {
      if (!isKeyError(error)) throw error;
      lastError = error;
    }
  }
  throw lastError;
}

/** An error of jose. */
interface JoseError extends Error {
  readonly code: string;
  /** The claim that was rejected, if it was one. */
  readonly claim?: string;
  readonly reason?: string;
}

function isJoseError(error: unknown): error is JoseError {
  return error instanceof Error && "code" in error && /^ERR_(JOSE|JWK|JWKS|JWS|JWT)_/.test(String(error.code));
}

const KEY_ERRORS = ["ERR_JWKS_NO_MATCHING_KEY", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"];

function isKeyError(error: unknown): boolean {
  return isJoseError(error) && KEY_ERRORS.includes(error.code);
}

/** Returns the problem as the end of a sentence that starts with the JWT's name. */
async function problemOf(error: unknown, jwt: string, { url }: KeySetSource, expected: ExpectedJwt): Promise<string> {
  const keySet = displayUrl(url);
  if (!isJoseError(error)) return `can't be verified with the key in ${keySet}`;
  const { code, claim, reason } = error;
  if (claim !== undefined && reason === "missing") return `lacks ${claim}`;
  if (claim !== undefined) return `has the wrong ${claim}: expected ${expectedValue(claim, expected)}`;
  if (code === "ERR_JOSE_ALG_NOT_ALLOWED") {
    const { algorithms, option } = expected;
    return `is signed with ${await algorithmOf(jwt)}: expected ${algorithms.join(" or ")} (see the option ${option})`;
  }
  if (code === "ERR_JWKS_NO_MATCHING_KEY") return `is signed with a key that ${keySet} doesn't contain`;
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return `isn't signed by the key in ${keySet}`;
  if (code === "ERR_JWKS_INVALID") return `can't be verified: ${keySet} contains a key that isn't public`;
  if (jwt.split(".").length === 5) return "is encrypted. Register the client for a JWT that is only signed";
  return "isn't a signed JWT";
}

function expectedValue(claim: string, { issuer, clientId, now }: ExpectedJwt): string {
  if (claim === "iss") return issuer;
  if (claim === "aud") return clientId;
  return timeBy(now, `in the ${claim === "exp" ? "future" : "past"}`);
}

/** Describes an expected time by the clock of this machine, which may be wrong. */
export function timeBy(now: number, when: string): string {
  return `a time ${when}, by a clock that says ${new Date(now * 1000).toISOString()}`;
}

/** Returns the algorithm in the header, if it looks like the name of one: a message must not contain anything else. */
async function algorithmOf(jwt: string): Promise<string> {
  const { decodeProtectedHeader } = await import("jose");
  const { alg = "" } = decodeProtectedHeader(jwt);
  return /^[A-Za-z0-9-]{1,16}$/.test(alg) ? alg : "an unknown algorithm";
}
