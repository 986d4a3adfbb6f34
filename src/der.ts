/**
 * ECDSA signatures on P-256 between DER (RFC 3279 §2.2.3) and JOSE's raw r‖s (RFC 7518 §3.4). The one place that knows
 * ASN.1, loaded when a store first answers in DER: its library takes longer to load than all the rest.
 */
import { type AsnType, fromBER, Integer, Sequence } from "asn1js";
import { checkRaw, outOfRange } from "./ecdsa.js";
import { SignerError } from "./errors.js";

const SCALAR = 32;

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
  const raw = Buffer.concat([scalar(r.toBigInt()), scalar(s.toBigInt())]);
  if (Buffer.compare(rawToDer(raw), der) !== 0)
    throw new SignerError("integrity", "The signature is BER, but not DER: its lengths or integers are padded.");
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
  const integer = (half: Uint8Array) => Integer.fromBigInt(BigInt(`0x${Buffer.from(half).toString("hex")}`));
  const value = [integer(raw.subarray(0, SCALAR)), integer(raw.subarray(SCALAR))];
  return new Uint8Array(new Sequence({ value }).toBER());
}

/** The one element that all of the bytes are; what can't be read is none. */
function parse(der: Uint8Array): AsnType | undefined {
  try {
    const { result, offset } = fromBER(der);
    return offset === der.length ? result : undefined;
  } catch {
    return undefined;
  }
}

/** 32 bytes; whether they are below the order is for {@link checkRaw} to say. */
function scalar(value: bigint): Buffer {
  const digits = value.toString(16).padStart(2 * SCALAR, "0");
  if (value < 1n || digits.length > 2 * SCALAR) throw outOfRange();
  return Buffer.from(digits, "hex");
}
