/** ECDSA signatures on P-256 in JOSE's form, raw r‖s (RFC 7518 §3.4). {@link file://./ecdsa-der.ts} converts DER. */
import { SignerError } from "../errors.js";

const COORDINATE = 32;
const ORDER = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
const ZERO = Buffer.alloc(COORDINATE);

/**
 * Refuses what can't be a raw ES256 signature.
 *
 * @param raw - 64 bytes, r‖s
 * @throws {SignerError} code `integrity` if it is not 64 bytes with r and s in [1, n-1]
 */
export function checkRaw(raw: Uint8Array): void {
  if (raw.length !== 2 * COORDINATE)
    throw new SignerError("integrity", `The signature has ${raw.length} bytes; raw r‖s of P-256 has 64.`);
  for (let at = 0; at < raw.length; at += COORDINATE)
    if (ZERO.compare(raw, at, at + COORDINATE) === 0 || ORDER.compare(raw, at, at + COORDINATE) <= 0)
      throw outOfRange();
}

/** For r or s of no signature. */
export function outOfRange(): SignerError {
  return new SignerError("integrity", "The signature is out of range: r and s must be in [1, n-1].");
}
