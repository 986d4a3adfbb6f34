/** The JWK thumbprint of a key (RFC 7638): its name in `cnf.jkt` and `dpop_jkt`. */
import { hash } from "node:crypto";
import type { PublicJwk } from "./public-key.js";

/** @returns SHA-256 over the required members in alphabetical order (RFC 7638 §3.2), base64url, 43 characters */
export function thumbprint({ crv, kty, x, y }: PublicJwk): string {
  return hash("sha256", JSON.stringify({ crv, kty, x, y }), "base64url");
}
