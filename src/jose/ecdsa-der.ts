/** Conversion of ECDSA signatures between DER (RFC 3279 §2.2.3) and JOSE's format, raw r‖s (RFC 7518 §3.4). */
import { SignerError } from "../errors.js";
import type { EcAlgorithm } from "./algorithms.js";
import { checkRaw } from "./ecdsa.js";

const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** From this length on, DER has a byte that counts the bytes of the length (X.690 §8.1.3.5). */
const LONG_FORM = 0x80;
/** Bytes of the longest header of the sequence. */
const HEADER = 3;
/** Bytes of the longest DER: r and s of P-521. Reused, since V8 allocates more than 64 bytes slowly. */
const encoded = Buffer.alloc(HEADER + 2 * (3 + 66));

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
  const next = copyInteger(der, isShort ? 2 : 3, raw, 0, coordinateBytes);
  copyInteger(der, next, raw, coordinateBytes, signatureBytes);
  checkRaw(raw, algorithm);
  const { start, end } = encode(raw, algorithm);
  if (encoded.compare(der, 0, der.length, start, end) === 0) return raw;
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
  const { start, end } = encode(raw, algorithm);
  return Buffer.from(encoded.subarray(start, end));
}

/**
 * Copies the integer at an index of the DER to the end of `raw[start, end)`, without its sign byte.
 *
 * @returns The index after the integer.
 */
function copyInteger(der: Uint8Array, at: number, raw: Uint8Array, start: number, end: number): number {
  const next = at + 2 + Number(der[at + 1]);
  const first = der[at + 2] === 0 ? at + 3 : at + 2;
  for (let from = next - 1, to = end - 1; from >= first && to >= start; from -= 1, to -= 1) raw[to] = Number(der[from]);
  return next;
}

/** Writes the DER of a signature in the right form to `encoded`, and returns where it is. */
function encode(raw: Uint8Array, { coordinateBytes, signatureBytes }: EcAlgorithm): { start: number; end: number } {
  const middle = writeInteger(HEADER, raw, 0, coordinateBytes);
  const end = writeInteger(middle, raw, coordinateBytes, signatureBytes);
  const length = end - HEADER;
  const isShort = length < LONG_FORM;
  const start = isShort ? 1 : 0;
  encoded[start] = SEQUENCE;
  if (!isShort) encoded[1] = LONG_FORM + 1;
  encoded[HEADER - 1] = length;
  return { start, end };
}

/**
 * Writes `raw[start, end)` as an integer to `encoded`, without leading zeros.
 *
 * @returns The index after the integer.
 */
function writeInteger(at: number, raw: Uint8Array, start: number, end: number): number {
  let from = start;
  while (raw[from] === 0) from += 1;
  // An integer whose first bit is set would be negative without a leading zero byte (X.690 §8.3).
  const sign = Number(raw[from]) < 0x80 ? 0 : 1;
  encoded[at] = INTEGER;
  encoded[at + 1] = sign + end - from;
  encoded[at + 2] = 0;
  let to = at + 2 + sign;
  for (; from < end; from += 1, to += 1) encoded[to] = Number(raw[from]);
  return to;
}
