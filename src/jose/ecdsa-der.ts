/**
 * Conversion of ECDSA signatures between DER (RFC 3279 §2.2.3) and JOSE's format, raw r‖s (RFC 7518 §3.4).
 *
 * This is the only module that parses ASN.1. The library for it is loaded when a store first returns DER, because that
 * takes longer than loading the rest of the package.
 */
import type { AsnType, Integer } from "asn1js";
import { SignerError } from "../errors.js";
import type { EcAlgorithm } from "./algorithms.js";
import { checkRaw, outOfRange } from "./ecdsa.js";

const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** From this length on, DER has a byte that counts the bytes of the length (X.690 §8.1.3.5). */
const LONG_FORM = 0x80;

type Asn1 = typeof import("asn1js");

/** Converts a signature from DER to raw r‖s. See {@link loadDerToRaw}. */
export type DerToRaw = (der: Uint8Array, algorithm: EcAlgorithm) => Uint8Array;

/**
 * Loads the parser, and returns the function that converts a signature from DER to raw r‖s.
 *
 * Only the one DER encoding is accepted. BER would allow others (long or indefinite lengths, padding), so that anyone
 * could change the bytes of a signature without invalidating it.
 *
 * The function takes `SEQUENCE { r INTEGER, s INTEGER }`, and returns r and s, each big-endian and padded to the curve's
 * `coordinateBytes`. It throws {@link SignerError} with code `integrity` if it isn't the DER encoding of two integers in
 * [1, n-1].
 */
export async function loadDerToRaw(): Promise<DerToRaw> {
  const asn1 = await import("asn1js");
  return (der, algorithm) => derToRaw(asn1, der, algorithm);
}

function derToRaw(asn1: Asn1, der: Uint8Array, algorithm: EcAlgorithm): Uint8Array {
  const sequence = parse(asn1, der);
  const values = sequence instanceof asn1.Sequence ? sequence.valueBlock.value : [];
  const [r, s] = values;
  if (values.length !== 2 || !(r instanceof asn1.Integer) || !(s instanceof asn1.Integer))
    throw new SignerError("integrity", "The signature is not a DER sequence of two integers.");
  const raw = Buffer.concat([scalar(r, algorithm), scalar(s, algorithm)]);
  if (Buffer.compare(rawToDer(raw, algorithm), der) !== 0)
    throw new SignerError("integrity", "The signature is BER, but not DER.");
  return raw;
}

/**
 * Converts a signature from raw r‖s to DER.
 *
 * @param raw - r‖s, such as 64 bytes for ES256.
 * @returns `SEQUENCE { r INTEGER, s INTEGER }`, such as 8 to 72 bytes for ES256.
 * @throws {SignerError} With code `integrity` if it has another length, or r or s isn't in [1, n-1].
 */
export function rawToDer(raw: Uint8Array, algorithm: EcAlgorithm): Uint8Array {
  checkRaw(raw, algorithm);
  const { coordinateBytes } = algorithm;
  const value = Buffer.concat([integer(raw.subarray(0, coordinateBytes)), integer(raw.subarray(coordinateBytes))]);
  const length = value.length < LONG_FORM ? [value.length] : [LONG_FORM + 1, value.length];
  return Buffer.concat([Buffer.of(SEQUENCE, ...length), value]);
}

/** X.690 §8.3: the shortest encoding, with a leading zero byte if the first bit is set, which would mean a sign. */
function integer(scalar: Uint8Array): Buffer {
  const digits = scalar.subarray(scalar.findIndex((byte) => byte !== 0));
  const sign = Number(digits[0]) < 0x80 ? [] : [0];
  return Buffer.concat([Buffer.of(INTEGER, sign.length + digits.length, ...sign), digits]);
}

/** Trailing bytes and BER are detected later, by comparing with the encoded result. */
function parse(asn1: Asn1, der: Uint8Array): AsnType | undefined {
  try {
    return asn1.fromBER(der).result;
  } catch {
    return undefined;
  }
}

/** `rawToDer` checks the range, and comparing with its result detects a negative integer. */
function scalar({ valueBlock }: Integer, { coordinateBytes }: EcAlgorithm): Buffer {
  const { valueHexView: bytes } = valueBlock;
  const digits = bytes[0] === 0 ? bytes.subarray(1) : bytes;
  if (digits.length > coordinateBytes) throw outOfRange();
  return Buffer.concat([Buffer.alloc(coordinateBytes - digits.length), digits]);
}
