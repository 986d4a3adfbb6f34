/** ID tokens (OpenID Connect Core §2) and their validation, in addition to that of every JWT (§3.1.3.7, §12.2). */
import { createHash } from "node:crypto";
import { OAuthError } from "../../errors.js";
import type { Algorithm } from "../../jose/algorithms.js";
import { algorithmNamed } from "../../jose/find-algorithm.js";
import type { ExpectedIdToken } from "./expected-id-token.js";
import type { ServerJwts } from "./server-jwts.js";
import { CLOCK_TOLERANCE, invalidJwt, timeBy, wrongClaim } from "./verify-jwt.js";

/** The claims of a valid ID token (OpenID Connect Core §2). Times are in seconds since 1970. */
export interface IdTokenClaims {
  /** The server's issuer identifier. */
  readonly iss: string;
  /** The user, as this server identifies them to this client. */
  readonly sub: string;
  /** The client. */
  readonly aud: string | readonly string[];
  /** The time at which the ID token expires. */
  readonly exp: number;
  /** The time at which it was issued. */
  readonly iat: number;
  /** The time at which the user authenticated. */
  readonly auth_time?: number;
  /** The `nonce` of the authorization request. */
  readonly nonce?: string;
  readonly [claim: string]: unknown;
}

/** The token response that contains the ID token, and its request. */
export interface IdTokenContext extends ExpectedIdToken {
  clientId: string;
  accessToken: string;
  /** Seconds since 1970. */
  now: number;
  response: Response;
}

/** Seconds. An ID token is issued for the response that contains it. */
const MAX_AGE = 60 * 60;

/**
 * Verifies the ID token of a token response.
 *
 * @param idToken - The response's `id_token`.
 * @returns Its claims, or `null` if there isn't an ID token and none is required.
 * @throws {OAuthError} With code `invalid-response` if it isn't valid. The message names the claim, and what was expected.
 */
export async function verifyIdToken(
  jwts: ServerJwts,
  idToken: unknown,
  context: IdTokenContext,
): Promise<IdTokenClaims | null> {
  const { required, clientId, now, response } = context;
  const error = { what: "The ID token", response };
  if (idToken === undefined && !required) return null;
  if (idToken === undefined) throw missing(response);
  if (typeof idToken !== "string") throw invalidJwt(error, "isn't a string");
  const requiredClaims = ["sub", "iat"];
  const { claims, alg } = await jwts.verify("idToken", idToken, { clientId, requiredClaims, now, response });
  for (const [claim, check] of Object.entries(CHECKS)) {
    const expected = check(claims, context, alg);
    if (expected !== undefined) throw wrongClaim(error, claim, expected);
  }
  return claims as IdTokenClaims; // the typed members were checked above
}

function missing(response: Response): OAuthError {
  const message = "The token response lacks an ID token, which the scope openid requires. Its token was not accepted.";
  return new OAuthError("invalid-response", message, { response });
}

/** Returns what is expected if the claim doesn't have that value. */
type Check = (claims: Readonly<Record<string, unknown>>, context: IdTokenContext, alg: string) => string | undefined;

const CHECKS: Record<string, Check> = {
  sub: ({ sub }, { previous }) => {
    if (previous !== undefined && sub !== previous.sub) return "the user of the ID token before";
    return typeof sub === "string" && sub !== "" ? undefined : "a non-empty string";
  },
  azp: ({ azp }, { clientId }) => (azp === undefined || azp === clientId ? undefined : clientId),
  iat: ({ iat }, { now }) => {
    const isPlausible = typeof iat === "number" && iat <= now + CLOCK_TOLERANCE && iat >= now - MAX_AGE;
    return isPlausible ? undefined : timeBy(now, "in the last hour");
  },
  nonce: ({ nonce }, context) => checkNonce(nonce, context),
  auth_time: ({ auth_time }, context) => checkAuthTime(auth_time, context),
  at_hash: ({ at_hash }, { accessToken }, alg) => {
    const isRight = at_hash === undefined || at_hash === accessTokenHash(accessToken, algorithmNamed(alg));
    return isRight ? undefined : "the hash of the access token";
  },
};

/** A refreshed ID token may omit the `nonce` (OpenID Connect Core §12.2). */
function checkNonce(claim: unknown, { nonce, previous }: IdTokenContext): string | undefined {
  if (previous !== undefined)
    return claim === undefined || claim === previous.nonce ? undefined : "that of the ID token before";
  if (nonce === null)
    return claim === undefined ? undefined : "none, because the authorization request didn't have one";
  return nonce === undefined || claim === nonce ? undefined : "that of the authorization request";
}

function checkAuthTime(claim: unknown, { maxAge, now, previous }: IdTokenContext): string | undefined {
  if (claim === undefined && maxAge === undefined) return undefined;
  if (typeof claim !== "number") return "a number of seconds since 1970";
  if (previous?.auth_time !== undefined && claim !== previous.auth_time) return "that of the ID token before";
  const isRecent = maxAge === undefined || claim + maxAge + CLOCK_TOLERANCE >= now;
  return isRecent ? undefined : `a time at most ${maxAge} seconds ago (max_age)`;
}

/** The left half of the access token's hash, by the hash of the signature algorithm (OpenID Connect Core §3.1.3.6). */
function accessTokenHash(accessToken: string, algorithm: Algorithm): string {
  const digest = hashOf(algorithm).update(accessToken, "ascii").digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}

/** Ed25519 signs with SHA-512 (RFC 8032 §5.1), ML-DSA with SHAKE256: servers use 64 bytes of it. */
function hashOf(algorithm: Algorithm) {
  if (algorithm.kty === "AKP") return createHash("shake256", { outputLength: 64 });
  return createHash(algorithm.kty === "OKP" ? "sha512" : algorithm.hash);
}
