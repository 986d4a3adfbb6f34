/** Checks that several cases share: signatures, verified by the key's algorithm, and the errors of calls that must fail. */
import { equal, fail } from "node:assert/strict";
import { type PublicJwk, type SignerError, signatureLength, verifySignature } from "../src/index.js";

/** Fails unless the signature has the length of the key's algorithm and verifies with the key. */
export function checkSignature(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array, what = "The signature"): void {
  if (verifySignature(jwk, data, signature)) return;
  const bytes = signatureLength(jwk);
  equal(signature.length, bytes, `${what} must have ${bytes} bytes; it has ${signature.length}.`);
  fail(`${what} does not verify with the public key.`);
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
