/** Checks that several cases share: signatures, verified with `node:crypto`, and the errors of calls that must fail. */
import { equal, fail, ok } from "node:assert/strict";
import { constants, createPublicKey, verify } from "node:crypto";
import type { PublicJwk, SignerError } from "../src/index.js";

/** Bytes of a signature whose length doesn't depend on the key (RFC 8032 §5.1.6, FIPS 204 §4). */
const FIXED_LENGTHS: Readonly<Record<string, number>> = {
  Ed25519: 64,
  "ML-DSA-44": 2420,
  "ML-DSA-65": 3309,
  "ML-DSA-87": 4627,
};

/** Returns the bytes of a signature in JOSE form: r‖s for ECDSA (RFC 7518 §3.4), as long as the modulus for RSA. */
export function signatureBytes({ kty, alg, x = "", n = "" }: PublicJwk): number | undefined {
  const bytes = (text: string) => Buffer.from(text, "base64url").length;
  if (kty === "EC") return 2 * bytes(x);
  return kty === "RSA" ? bytes(n) : FIXED_LENGTHS[alg];
}

/** Fails unless the signature has the length of its algorithm and verifies with the key. */
export function checkSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array, what = "The signature"): void {
  const bytes = signatureBytes(jwk);
  equal(signature.length, bytes, `${what} with ${jwk.alg} must have ${bytes} bytes; it has ${signature.length}.`);
  ok(isSignature(jwk, data, signature), `${what} does not verify with the public key.`);
}

/**
 * Returns whether the signature verifies with the key. What `node:crypto` needs for that follows from the algorithm's
 * name, not from the package's table, so that a mistake in the table fails a case.
 */
function isSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array): boolean {
  const [, kind, hashBits] = /^([EPR]S)(\d{3})/.exec(jwk.alg) ?? [];
  const padding = kind === "PS" ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
  const options = { key, dsaEncoding: "ieee-p1363", saltLength: constants.RSA_PSS_SALTLEN_DIGEST } as const;
  const hash = hashBits === undefined ? null : `sha${hashBits}`;
  return verify(hash, data, jwk.kty === "RSA" ? { ...options, padding } : options, signature);
}

/**
 * Fails unless the call rejects with a SignerError that has this code.
 *
 * @param what - The call, as the subject of the failure message.
 */
export async function expectError(
  call: Promise<unknown>,
  code: SignerError["code"],
  what: string,
): Promise<SignerError> {
  const error = await signerErrorOf(call, what);
  equal(error.code, code, `${what} must reject with code ${code}; it rejected with ${error.code}: ${error.message}`);
  return error;
}

/** Fails unless the call rejects with a SignerError. */
export async function signerErrorOf(call: Promise<unknown>, what: string): Promise<SignerError> {
  const [outcome] = await Promise.allSettled([call]);
  if (outcome.status === "fulfilled") return fail(`${what} must reject; it resolved.`);
  const error: unknown = outcome.reason;
  if (isSignerError(error)) return error;
  return fail(`${what} must reject with a SignerError; it rejected with ${error}.`);
}

/** Checks the error's name instead of using `instanceof`: a provider may load its own copy of the package. */
function isSignerError(error: unknown): error is SignerError {
  return error instanceof Error && error.name === "SignerError" && "code" in error;
}
