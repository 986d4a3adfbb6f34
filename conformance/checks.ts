/** What several cases check: a signature by node's own crypto, and a refusal by its code. */
import { equal, fail, ok } from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import type { PublicJwk, SignerError } from "../src/index.js";

export const SIGNATURE_BYTES = 64;

/** Fails unless it is 64 bytes r‖s that the key made over the data. */
export function checkSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array, what = "The signature"): void {
  equal(signature.length, SIGNATURE_BYTES, `${what} has not 64 bytes.`);
  ok(isSignature(jwk, data, signature), `${what} does not verify with the public key.`);
}

export function isSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
  return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** @returns the error; fails unless there is one, of this code */
export async function refusal(work: Promise<unknown>, code: SignerError["code"], what: string): Promise<SignerError> {
  const error = await errorOf(work, what);
  equal(error.code, code, `${what} ends with code ${error.code}: ${error.message}`);
  return error;
}

/** @returns the error; fails unless there is one, with a code */
export async function errorOf(work: Promise<unknown>, what: string): Promise<SignerError> {
  const [outcome] = await Promise.allSettled([work]);
  if (outcome.status === "fulfilled") return fail(`${what} is not refused.`);
  const error: unknown = outcome.reason;
  if (isSignerError(error)) return error;
  return fail(`${what} ends with ${error}, which is no SignerError.`);
}

/** By its name: a plugin may carry its own copy of the package. */
function isSignerError(error: unknown): error is SignerError {
  return error instanceof Error && error.name === "SignerError" && "code" in error;
}
