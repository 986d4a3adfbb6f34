/**
 * ECDSA on P-256 between the forms that key stores speak: DER and JOSE's raw r‖s for signatures (RFC 3279 §2.2.3,
 * RFC 7518 §3.4), SPKI, JWK and bare points for public keys (RFC 5480). The one place that knows ASN.1.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { type AsnType, fromBER, Integer, OctetString, Sequence } from "asn1js";
import { SignerError } from "./errors.js";

/** A P-256 public key as a JWK (RFC 7518 §6.2.1), with these four members and no others. */
export interface PublicJwk {
  readonly kty: "EC";
  readonly crv: "P-256";
  /** 32 bytes, base64url. */
  readonly x: string;
  /** 32 bytes, base64url. */
  readonly y: string;
}

const COORDINATE = 32;
const ORDER = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
const ZERO = Buffer.alloc(COORDINATE);
const POINT = 1 + 2 * COORDINATE;
const UNCOMPRESSED = 0x04;

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
  const value = [integer(raw.subarray(0, COORDINATE)), integer(raw.subarray(COORDINATE))];
  return new Uint8Array(new Sequence({ value }).toBER());
}

/**
 * Refuses what can't be a raw ES256 signature.
 *
 * @param raw - 64 bytes, r‖s
 * @throws {SignerError} code `integrity` if it is not 64 bytes with r and s in [1, n-1]
 */
export function checkRaw(raw: Uint8Array): void {
  if (raw.length !== 2 * COORDINATE)
    throw new SignerError("integrity", `The signature has ${raw.length} bytes; raw r‖s of P-256 has 64.`);
  for (const half of [raw.subarray(0, COORDINATE), raw.subarray(COORDINATE)])
    if (Buffer.compare(half, ZERO) === 0 || Buffer.compare(half, ORDER) >= 0) throw outOfRange();
}

/** A public key, ready for `crypto.verify` and for a proof's header. */
export interface ImportedPublicKey {
  readonly key: KeyObject;
  readonly jwk: PublicJwk;
}

/**
 * Reads a public key as a store gives it.
 *
 * @param publicKey - SubjectPublicKeyInfo in DER, or a JWK
 * @returns the key and its JWK of exactly `kty crv x y`, frozen
 * @throws {SignerError} code `wrong-key` if it is no P-256 key, or its point is not on the curve
 */
export function importPublicKey(publicKey: Uint8Array | PublicJwk): ImportedPublicKey {
  const key = parsePublicKey(publicKey);
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType !== "ec" || curve !== "prime256v1")
    throw new SignerError("wrong-key", `ES256 needs a P-256 key, this one is ${nameOf(key)}.`);
  const { x, y } = key.export({ format: "jwk" });
  if (x === undefined || y === undefined) throw new SignerError("wrong-key", "The public key has no coordinates.");
  return { key, jwk: Object.freeze({ kty: "EC", crv: "P-256", x, y }) };
}

/**
 * Reads PKCS#11's `CKA_EC_POINT`, in the standard's form (a DER OCTET STRING around the point) and in the bare form
 * that some tokens give.
 *
 * @param ecPoint - 67 bytes `04 41 04 x y`, or 65 bytes `04 x y`
 * @returns the JWK; that the point is on the curve is checked by {@link importPublicKey}
 * @throws {SignerError} code `wrong-key` if it is neither
 */
export function jwkFromEcPoint(ecPoint: Uint8Array): PublicJwk {
  const point = ecPoint.length === POINT ? ecPoint : unwrapOctetString(ecPoint);
  if (point?.length !== POINT || point[0] !== UNCOMPRESSED)
    throw new SignerError("wrong-key", `The public point (${ecPoint.length} bytes) is no uncompressed P-256 point.`);
  const coordinate = (start: number) => Buffer.from(point.subarray(start, start + COORDINATE)).toString("base64url");
  return { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(1 + COORDINATE) };
}

function parsePublicKey(publicKey: Uint8Array | PublicJwk): KeyObject {
  try {
    if (!(publicKey instanceof Uint8Array)) return createPublicKey({ key: { ...publicKey }, format: "jwk" });
    return createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  } catch (cause) {
    throw new SignerError("wrong-key", "The public key is not readable, or its point is not on the curve.", { cause });
  }
}

/** What a key is, in words: `RSA 2048`, `EC secp384r1`, `ed25519`. */
function nameOf(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  return [key.asymmetricKeyType, namedCurve ?? modulusLength].filter((part) => part !== undefined).join(" ");
}

function unwrapOctetString(der: Uint8Array): Uint8Array | undefined {
  const string = parse(der);
  return string instanceof OctetString ? string.valueBlock.valueHexView : undefined;
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
  const digits = value.toString(16).padStart(2 * COORDINATE, "0");
  if (value < 1n || digits.length > 2 * COORDINATE) throw outOfRange();
  return Buffer.from(digits, "hex");
}

function outOfRange(): SignerError {
  return new SignerError("integrity", "The signature is out of range: r and s must be in [1, n-1].");
}
