/** Public keys in the formats that key stores return: SubjectPublicKeyInfo, JWK and EC points (RFC 5480). */
import { createPublicKey, type KeyObject } from "node:crypto";
import { SignerError } from "../errors.js";
import { ES256 } from "./algorithms.js";

/** A P-256 public key as a JWK (RFC 7518 §6.2.1), with exactly these members. */
export interface PublicJwk {
  /** The key type. */
  readonly kty: "EC";
  /** The curve. */
  readonly crv: "P-256";
  /** The x coordinate: 32 bytes, base64url. */
  readonly x: string;
  /** The y coordinate: 32 bytes, base64url. */
  readonly y: string;
}

const { alg, crv, coordinateBytes: COORDINATE } = ES256;
const POINT = 1 + 2 * COORDINATE;
const UNCOMPRESSED = 0x04;
/** The DER header of an OCTET STRING that contains a point. */
const OCTET_STRING = Buffer.of(0x04, POINT);

/** A public key, both for `crypto.verify` and for the header of a proof. */
export interface ImportedPublicKey {
  readonly key: KeyObject;
  readonly jwk: PublicJwk;
}

/**
 * Imports the public key that a store returned.
 *
 * @param publicKey - SubjectPublicKeyInfo in DER, or a JWK.
 * @returns The key, and its JWK with the members `kty crv x y`, frozen.
 * @throws {SignerError} With code `wrong-key` if it isn't a P-256 key, or its point isn't on the curve.
 */
export function importPublicKey(publicKey: Uint8Array | PublicJwk): ImportedPublicKey {
  const key = parsePublicKey(publicKey);
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType !== "ec" || curve !== ES256.namedCurve)
    throw new SignerError("wrong-key", `${alg} needs a ${crv} key, but this key is ${describeType(key)}.`);
  const { x, y } = key.export({ format: "jwk" });
  if (x === undefined || y === undefined) throw new SignerError("wrong-key", "The public key lacks its coordinates.");
  return { key, jwk: Object.freeze({ kty: "EC", crv, x, y }) };
}

/**
 * Converts the `CKA_EC_POINT` of PKCS#11: a DER OCTET STRING around the point, as the standard defines it, or the bare
 * point that some tokens return.
 *
 * @param ecPoint - 67 bytes `04 41 04 x y`, or 65 bytes `04 x y`.
 * @returns The JWK. {@link importPublicKey} checks that the point is on the curve.
 * @throws {SignerError} With code `wrong-key` if it has neither form.
 */
export function jwkFromEcPoint(ecPoint: Uint8Array): PublicJwk {
  const point = ecPoint.length === POINT ? ecPoint : unwrapOctetString(ecPoint);
  if (point.length !== POINT || point[0] !== UNCOMPRESSED)
    throw new SignerError("wrong-key", `The public point (${ecPoint.length} bytes) isn't an uncompressed P-256 point.`);
  const coordinate = (start: number) => Buffer.from(point.subarray(start, start + COORDINATE)).toString("base64url");
  return { kty: "EC", crv, x: coordinate(1), y: coordinate(1 + COORDINATE) };
}

/** Returns the content if the header matches, otherwise the two header bytes, which can't be a point. */
function unwrapOctetString(der: Uint8Array): Uint8Array {
  const [header, content] = [der.subarray(0, OCTET_STRING.length), der.subarray(OCTET_STRING.length)];
  return OCTET_STRING.equals(header) ? content : header;
}

function parsePublicKey(publicKey: Uint8Array | PublicJwk): KeyObject {
  try {
    if (!(publicKey instanceof Uint8Array)) return createPublicKey({ key: { ...publicKey }, format: "jwk" });
    return createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  } catch (cause) {
    throw new SignerError("wrong-key", "The public key can't be parsed, or its point isn't on the curve.", { cause });
  }
}

/** Returns the type of a key as users know it: `RSA 2048`, `EC secp384r1`, `ed25519`. */
function describeType(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  return [key.asymmetricKeyType, namedCurve ?? modulusLength].filter((part) => part !== undefined).join(" ");
}
