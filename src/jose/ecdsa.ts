/** ECDSA signatures on P-256 in JOSE's format, raw r‖s (RFC 7518 §3.4). `ecdsa-der.ts` converts from and to DER. */
import { SignerError } from "../errors.js";
import { ES256 } from "./algorithms.js";

const { coordinateBytes: COORDINATE, order: ORDER } = ES256;
const ZERO = Buffer.alloc(COORDINATE);

/**
 * Checks the length of a raw ES256 signature and the range of r and s. Doesn't verify the signature.
 *
 * @param raw - 64 bytes, r‖s.
 * @throws {SignerError} With code `integrity` if it isn't 64 bytes, or r or s isn't in [1, n-1].
 */
export function checkRaw(raw: Uint8Array): void {
  if (raw.length !== 2 * COORDINATE)
    throw new SignerError("integrity", `The signature has ${raw.length} bytes; a raw P-256 signature (r‖s) has 64.`);
  for (let at = 0; at < raw.length; at += COORDINATE)
    if (ZERO.compare(raw, at, at + COORDINATE) === 0 || ORDER.compare(raw, at, at + COORDINATE) <= 0)
      throw outOfRange();
}

/** Creates the error for an r or s outside [1, n-1]. */
export function outOfRange(): SignerError {
  return new SignerError("integrity", "The signature is out of range: r and s must be in [1, n-1].");
}
