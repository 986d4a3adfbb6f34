/** Signatures in JOSE's format: the form that each algorithm gives them, and their verification. */
import { verify } from "node:crypto";
import { SignerError } from "../errors.js";
import { checkRaw } from "./ecdsa.js";
import { rawToDer } from "./ecdsa-der.js";
import { type ImportedPublicKey, importPublicKey, type PublicJwk } from "./public-key.js";

/**
 * Checks the length of a signature and, for ECDSA, the range of r and s. Doesn't verify the signature.
 *
 * @param signature - In JOSE's format.
 * @throws {SignerError} With code `integrity` if it can't be a signature of the key.
 */
export function checkForm({ algorithm, signatureBytes }: ImportedPublicKey, signature: Uint8Array): void {
  if (algorithm.kty === "EC") checkRaw(signature, algorithm);
  else if (signature.length !== signatureBytes) throw wrongLength(signature, signatureBytes, algorithm.alg);
}

/** Returns whether a signature that has passed {@link checkForm} is the key's signature of the message. */
export function isSignature(
  { algorithm, verifyKey }: ImportedPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const form = algorithm.kty === "EC" ? rawToDer(signature, algorithm) : signature;
  return verify(algorithm.hash, message, verifyKey, form);
}

/**
 * Verifies a signature with a public key, by the key's algorithm.
 *
 * @param jwk - The result of `publicJwk()` of a signer.
 * @param signature - In JOSE's format, as `sign()` of a signer returns it.
 * @throws {SignerError} With code `wrong-key` if the JWK isn't a public key that can sign with its `alg`.
 */
export function verifySignature(jwk: PublicJwk, message: Uint8Array, signature: Uint8Array): boolean {
  const key = importPublicKey(jwk);
  return hasForm(key, signature) && isSignature(key, message, signature);
}

function hasForm(key: ImportedPublicKey, signature: Uint8Array): boolean {
  try {
    checkForm(key, signature);
    return true;
  } catch {
    return false;
  }
}

function wrongLength(signature: Uint8Array, bytes: number, alg: string): SignerError {
  const expected = `a signature of this key with ${alg} has ${bytes}`;
  return new SignerError("integrity", `The signature has ${signature.length} bytes; ${expected}.`);
}
