/** Conversion of ECDSA signatures between DER (RFC 3279 §2.2.3) and JOSE's format, raw r‖s (RFC 7518 §3.4). */
import { SignerError } from "../errors.js";
import type { EcAlgorithm } from "./algorithms.js";
import { checkRaw } from "./ecdsa.js";

const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** From this length on, DER has a byte that counts the bytes of the length (X.690 §8.1.3.5). */
const LONG_FORM = 0x80;

/**
 * Converts a signature from DER to raw r‖s.
 *
 * Only the one DER encoding is accepted. BER would allow others (long or indefinite lengths, padding), so that anyone
 * could change the bytes of a signature without invalidating it. Therefore, this function reads r and s where DER has
 * them, and rejects the signature if encoding them doesn't return its bytes.
 *
 * @param der - `SEQUENCE { r INTEGER, s INTEGER }`.
 * @returns r and s, each big-endian and padded to the curve's `coordinateBytes`.
 * @throws {SignerError} With code `integrity` if it isn't the DER encoding of two integers in [1, n-1].
 */
export function derToRaw(der: Uint8Array, algorithm: EcAlgorithm): Uint8Array {
  const { coordinateBytes, signatureBytes } = algorithm;
  const raw = Buffer.alloc(signatureBytes);
  const isShort = Number(der[1]) < LONG_FORM;
  const next = copyInteger(der, isShort ? 2 : 3, raw.subarray(0, coordinateBytes));
  copyInteger(der, next, raw.subarray(coordinateBytes));
  if (rawToDer(raw, algorithm).compare(der) === 0) return raw;
  throw new SignerError("integrity", "The signature is not the DER encoding of a sequence of two integers.");
}

/**
 * Converts a signature from raw r‖s to DER.
 *
 * @param raw - r‖s, such as 64 bytes for ES256.
 * @returns `SEQUENCE { r INTEGER, s INTEGER }`, such as 8 to 72 bytes for ES256.
 * @throws {SignerError} With code `integrity` if it has another length, or r or s isn't in [1, n-1].
 */
export function rawToDer(raw: Uint8Array, algorithm: EcAlgorithm): Buffer {
  checkRaw(raw, algorithm);
  const { coordinateBytes } = algorithm;
  const r = digitsOf(raw.subarray(0, coordinateBytes));
  const s = digitsOf(raw.subarray(coordinateBytes));
  const length = encodedBytes(r) + encodedBytes(s);
  const header = length < LONG_FORM ? [SEQUENCE, length] : [SEQUENCE, LONG_FORM + 1, length];
  const der = Buffer.alloc(header.length + length);
  der.set(header);
  writeInteger(der, header.length, r);
  writeInteger(der, header.length + encodedBytes(r), s);
  return der;
}

/**
 * Copies the integer at an index of the DER to the end of `target`, without its sign byte.
 *
 * @returns The index after the integer.
 */
function copyInteger(der: Uint8Array, at: number, target: Uint8Array): number {
  const start = at + 2;
  const end = start + Number(der[at + 1]);
  const digits = der.subarray(der[start] === 0 ? start + 1 : start, end);
  if (digits.length <= target.length) target.set(digits, target.length - digits.length);
  return end;
}

/** Returns the scalar without leading zero bytes. */
function digitsOf(scalar: Uint8Array): Uint8Array {
  let zeros = 0;
  while (scalar[zeros] === 0) zeros += 1;
  return scalar.subarray(zeros);
}

/** The leading zero byte of an integer whose first bit is set, which would mean a sign (X.690 §8.3). */
function signBytes(digits: Uint8Array): number {
  return Number(digits[0]) < 0x80 ? 0 : 1;
}

function encodedBytes(digits: Uint8Array): number {
  return 2 + signBytes(digits) + digits.length;
}

function writeInteger(der: Buffer, at: number, digits: Uint8Array): void {
  const sign = signBytes(digits);
  der[at] = INTEGER;
  der[at + 1] = sign + digits.length;
  der.set(digits, at + 2 + sign);
}
