/** ECDSA signatures in JOSE's format, raw r‖s (RFC 7518 §3.4). `ecdsa-der.ts` converts from and to DER. */
import { SignerError } from "../errors.js";
import type { EcAlgorithm } from "./algorithms.js";

const ZERO = Buffer.alloc(128);

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
  for (let at = 0; at < raw.length; at += coordinateBytes) {
    const end = at + coordinateBytes;
    const isZero = ZERO.compare(raw, at, end, 0, coordinateBytes) === 0;
    if (isZero || order.compare(raw, at, end) <= 0) throw outOfRange();
  }
}

/** Creates the error for an r or s outside [1, n-1]. */
export function outOfRange(): SignerError {
  return new SignerError("integrity", "The signature is out of range: r and s must be in [1, n-1].");
}
