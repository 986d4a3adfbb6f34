/** What an application adds to a proof. */
import { DPoPError } from "../errors.js";

/** Members of the header or the claims of a proof. */
export type ProofMembers = Readonly<Record<string, unknown>>;

/** Names that RFC 9449 §4.2 defines for the header or the claims. Neither may be set by the application. */
const RESERVED = ["typ", "alg", "jwk", "jti", "htm", "htu", "iat", "ath", "nonce"];
/** Header parameters that change how a JWS is processed (RFC 7515 §4.1.11, RFC 7797 §7). */
const RESERVED_IN_HEADER = [...RESERVED, "crit", "b64"];

/**
 * Returns a checked copy of the option `header`.
 *
 * @throws {DPoPError} With code `misconfigured` if it isn't an object, or has a reserved name.
 */
export function headerMembers(header: ProofMembers | undefined): ProofMembers | undefined {
  return header === undefined ? undefined : checkedCopy("header", header, RESERVED_IN_HEADER);
}

/**
 * Returns a checked copy of the option `claims`.
 *
 * @throws {DPoPError} With code `misconfigured` if it isn't an object, or has a reserved name.
 */
export function claimMembers(claims: ProofMembers | undefined): ProofMembers | undefined {
  return claims === undefined ? undefined : checkedCopy("claims", claims, RESERVED);
}

function checkedCopy(option: string, members: ProofMembers, reserved: readonly string[]): ProofMembers {
  if (typeof members !== "object" || members === null || Array.isArray(members))
    throw new DPoPError("misconfigured", `${option} must be an object.`);
  const copy = { ...members };
  const name = Object.keys(copy).find((key) => reserved.includes(key));
  if (name === undefined) return copy;
  const message = `${option} can't have the member ${name}: its value follows from the other options of makeProof.`;
  throw new DPoPError("misconfigured", message);
}
