/** Verifies signatures with `node:crypto`, without the code under test. */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, type SigningOptions, verify } from "node:crypto";

/**
 * Returns whether a compact JWS (RFC 7515 §7.1) has a valid signature.
 *
 * @param alg - `ES…`, `RS…`, `PS…`, `Ed25519` or `ML-DSA-…`. The header isn't read.
 */
export function isSignedBy(jws: string, jwk: object, alg: string): boolean {
  const [header, payload, signature = ""] = jws.split(".");
  const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
  return isSignature(alg, key, Buffer.from(`${header}.${payload}`), Buffer.from(signature, "base64url"));
}

/** Returns whether a signature in JOSE's format is valid. */
export function isSignature(alg: string, key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  const [, kind, hashBits] = /^([EPR]S)(\d{3})/.exec(alg) ?? [];
  return verify(hashBits && `sha${hashBits}`, message, { key, ...OPTIONS[kind ?? ""] }, signature);
}

/** RFC 7518 §3.4 for r‖s, and §3.5 for the length of the salt. */
const OPTIONS: Readonly<Record<string, SigningOptions>> = {
  ES: { dsaEncoding: "ieee-p1363" },
  PS: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
};
