/** Public keys in the forms in which key stores give them: SPKI, JWK and bare EC points (RFC 5480). */
import { createPublicKey, type KeyObject } from "node:crypto";
import { SignerError } from "../errors.js";

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
const POINT = 1 + 2 * COORDINATE;
const UNCOMPRESSED = 0x04;
/** DER's header of an OCTET STRING that holds a point. */
const OCTET_STRING = Buffer.of(0x04, POINT);

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
  const point = ecPoint.length === POINT ? ecPoint : unwrap(ecPoint);
  if (point.length !== POINT || point[0] !== UNCOMPRESSED)
    throw new SignerError("wrong-key", `The public point (${ecPoint.length} bytes) is no uncompressed P-256 point.`);
  const coordinate = (start: number) => Buffer.from(point.subarray(start, start + COORDINATE)).toString("base64url");
  return { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(1 + COORDINATE) };
}

/** Of a DER OCTET STRING that holds a point; of anything else, something shorter than one. */
function unwrap(der: Uint8Array): Uint8Array {
  const [header, content] = [der.subarray(0, OCTET_STRING.length), der.subarray(OCTET_STRING.length)];
  return OCTET_STRING.equals(header) ? content : header;
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
