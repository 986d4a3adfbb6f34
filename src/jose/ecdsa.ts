/** ECDSA signatures in JOSE's format, raw r‖s (RFC 7518 §3.4). `ecdsa-der.ts` converts from and to DER. */
import { SignerError } from "../errors.js";
import type { EcAlgorithm } from "./algorithms.js";

/**
 * Checks the length of a raw signature and the range of r and s. Doesn't verify the signature.
 *
 * @param raw - r‖s, such as 64 bytes for ES256.
 * @throws {SignerError} With code `integrity` if it has another length, or r or s isn't in [1, n-1].
 */
export function checkRaw(raw: Uint8Array, { order, coordinateBytes, signatureBytes, crv }: EcAlgorithm): void {
  if (raw.length !== signatureBytes) {
    const expected = `a raw ${crv} signature (r‖s) has ${signatureBytes}`;
    throw new SignerError("integrity", `The signature has ${raw.length} bytes; ${expected}.`);
  }
  if (!isInRange(raw, 0, order) || !isInRange(raw, coordinateBytes, order)) throw outOfRange();
}

/** Returns whether the integer at an index is in [1, n-1]. Buffer's `compare` takes longer for so few bytes. */
function isInRange(raw: Uint8Array, start: number, order: Uint8Array): boolean {
  let zeros = 0;
  while (zeros < order.length && raw[start + zeros] === 0) zeros += 1;
  if (zeros === order.length) return false;
  let same = 0;
  while (same < order.length && raw[start + same] === order[same]) same += 1;
  return Number(raw[start + same]) < Number(order[same]);
}

/** Creates the error for an r or s outside [1, n-1]. */
export function outOfRange(): SignerError {
  return new SignerError("integrity", "The signature is out of range: r and s must be in [1, n-1].");
}
