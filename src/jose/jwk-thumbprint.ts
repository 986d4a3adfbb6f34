/** JWK thumbprints (RFC 7638), which identify a key in `cnf.jkt` and `dpop_jkt`. */
import { hash } from "node:crypto";
import type { PublicJwk } from "./public-key.js";

/**
 * Calculates the thumbprint of a public key.
 *
 * @returns SHA-256 over the required members in alphabetical order (RFC 7638 §3.2): 43 characters of base64url.
 */
export function thumbprint({ crv, kty, x, y }: PublicJwk): string {
  return hash("sha256", JSON.stringify({ crv, kty, x, y }), "base64url");
}
