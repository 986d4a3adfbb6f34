/** Checks that several cases share: signatures, verified with `node:crypto`, and the errors of calls that must fail. */
import { equal, fail, ok } from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import type { PublicJwk, SignerError } from "../src/index.js";

/** Length of an ES256 signature in JOSE form, r‖s (RFC 7518 §3.4). */
export const SIGNATURE_BYTES = 64;

/** Fails unless the signature is r‖s with 64 bytes and verifies with the key. */
export function checkSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array, what = "The signature"): void {
  equal(signature.length, SIGNATURE_BYTES, `${what} must have ${SIGNATURE_BYTES} bytes; it has ${signature.length}.`);
  ok(isSignature(jwk, data, signature), `${what} does not verify with the public key.`);
}

/** Returns whether the signature verifies with the key. Throws if the JWK is not a valid key. */
export function isSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
  return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
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
