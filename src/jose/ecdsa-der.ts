/**
 * ECDSA signatures on P-256 between DER (RFC 3279 §2.2.3) and JOSE's raw r‖s (RFC 7518 §3.4). The one place that knows
 * ASN.1, loaded when a store first answers in DER: its library takes longer to load than all the rest.
 */
import { type AsnType, fromBER, Integer, Sequence } from "asn1js";
import { SignerError } from "../errors.js";
import { checkRaw, outOfRange } from "./ecdsa.js";

const SCALAR = 32;
const ZEROS = Buffer.alloc(SCALAR);
const INTEGER = 0x02;
const SEQUENCE = 0x30;

/**
 * Converts a signature from DER to JOSE's form. Only DER is taken: what BER would allow (long or indefinite lengths,
 * padding) is refused, because a signature with two spellings is a signature that somebody can respell.
 *
 * @param der - `SEQUENCE { r INTEGER, s INTEGER }`
 * @returns 64 bytes, r‖s, each big-endian and padded to 32 bytes
 * @throws {SignerError} code `integrity` if it is not the one DER encoding of an r and s in [1, n-1]
 */
export function derToRaw(der: Uint8Array): Uint8Array {
  const sequence = parse(der);
  const values = sequence instanceof Sequence ? sequence.valueBlock.value : [];
  const [r, s] = values;
  if (values.length !== 2 || !(r instanceof Integer) || !(s instanceof Integer))
    throw new SignerError("integrity", "The signature is not a DER sequence of two integers.");
  const raw = Buffer.concat([scalar(r), scalar(s)]);
  if (Buffer.compare(rawToDer(raw), der) !== 0)
    throw new SignerError("integrity", "The signature is BER, but not the one DER encoding of its r and s.");
  return raw;
}

/**
 * Converts a signature from JOSE's form to DER.
 *
 * @param raw - 64 bytes, r‖s
 * @returns `SEQUENCE { r INTEGER, s INTEGER }`, 8 to 72 bytes
 * @throws {SignerError} code `integrity` if it is not 64 bytes with r and s in [1, n-1]
 */
export function rawToDer(raw: Uint8Array): Uint8Array {
  checkRaw(raw);
  const value = Buffer.concat([integer(raw.subarray(0, SCALAR)), integer(raw.subarray(SCALAR))]);
  return Buffer.concat([Buffer.of(SEQUENCE, value.length), value]);
}

/** X.690 §8.3: no byte more than it needs, and a zero in front where the first one would mean a sign. */
function integer(scalar: Uint8Array): Buffer {
  const digits = scalar.subarray(scalar.findIndex((byte) => byte !== 0));
  const sign = Number(digits[0]) < 0x80 ? [] : [0];
  return Buffer.concat([Buffer.of(INTEGER, sign.length + digits.length, ...sign), digits]);
}

/** What can't be read is none; what is more than one element, or not DER, the comparison refuses. */
function parse(der: Uint8Array): AsnType | undefined {
  try {
    return fromBER(der).result;
  } catch {
    return undefined;
  }
}

/** 32 bytes. Whether they are the value, and below the order, the comparison and {@link checkRaw} say. */
function scalar({ valueBlock }: Integer): Buffer {
  const { valueHexView: bytes } = valueBlock;
  const digits = bytes[0] === 0 ? bytes.subarray(1) : bytes;
  if (digits.length > SCALAR) throw outOfRange();
  return Buffer.concat([ZEROS.subarray(digits.length), digits]);
}
