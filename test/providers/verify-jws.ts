/** Verifies a JWS with `node:crypto`, without the code under test. */
import { constants, createPublicKey, type JsonWebKey, type SigningOptions, verify } from "node:crypto";

/**
 * Returns whether a compact JWS (RFC 7515 §7.1) has a valid signature.
 *
 * @param alg - `ES…`, `RS…`, `PS…`, `Ed25519` or `ML-DSA-…`. The header isn't read.
 */
export function isSignedBy(jws: string, jwk: object, alg: string): boolean {
  const [header, payload, signature = ""] = jws.split(".");
  const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
  const hash = /^[ERP]S/.test(alg) ? `sha${alg.slice(-3)}` : undefined;
  const message = Buffer.from(`${header}.${payload}`);
  return verify(hash, message, { key, ...optionsOf(alg) }, Buffer.from(signature, "base64url"));
}

/** RFC 7518 §3.4 for r‖s, and §3.5 for the length of the salt. */
function optionsOf(alg: string): SigningOptions {
  if (alg.startsWith("ES")) return { dsaEncoding: "ieee-p1363" };
  if (!alg.startsWith("PS")) return {};
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(-3)) / 8 };
}
