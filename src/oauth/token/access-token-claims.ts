/** The claims of a JWT access token (RFC 9068), as a client may read them: not verified, which is the server's task. */
import { decodePart } from "../../jose/json-object.js";
import { parseSeconds } from "../seconds.js";

/** Decodes the payload of a JWT without verifying it. Empty for an opaque token. */
export function accessTokenClaims(accessToken: string): Readonly<Record<string, unknown>> {
  const [, payload, signature, extraPart] = accessToken.split(".");
  if (payload === undefined || signature === undefined || extraPart !== undefined) return {};
  return decodePart(payload) ?? {};
}

/** When a token was issued, and by which clock. */
export interface IssueTime {
  /** Milliseconds since 1970, by the system's clock. */
  readonly issuedAt: number;
  /** Seconds by which the server's clock is ahead of the system's. */
  readonly clockOffset?: number | undefined;
}

/**
 * Returns when a token expires, in milliseconds since 1970 by the system's clock: by the response's `expires_in`,
 * otherwise by the `exp` of a JWT access token. `null` if neither is known.
 */
export function expiryOf(
  { expires_in }: Readonly<Record<string, unknown>>,
  accessToken: string,
  { issuedAt, clockOffset = 0 }: IssueTime,
): number | null {
  const lifetime = parseSeconds(expires_in);
  if (lifetime !== null) return issuedAt + lifetime * 1000;
  const exp = parseSeconds(accessTokenClaims(accessToken).exp);
  return exp === null ? null : (exp - clockOffset) * 1000;
}
