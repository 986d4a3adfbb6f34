/** JWK thumbprints (RFC 7638, RFC 9964), which identify a key in `cnf.jkt` and `dpop_jkt`. */
import { hash } from "node:crypto";
import { PUBLIC_MEMBERS } from "./algorithms.js";
import type { PublicKeyMembers } from "./public-key.js";

/**
 * Calculates the thumbprint of a public key.
 *
 * @returns SHA-256 over the required members in lexicographic order (RFC 7638 §3.2): 43 characters of base64url.
 */
export function thumbprint(jwk: PublicKeyMembers): string {
  // JSON.stringify writes the members in the order of this list.
  return hash("sha256", JSON.stringify(jwk, [...PUBLIC_MEMBERS[jwk.kty]]), "base64url");
}
