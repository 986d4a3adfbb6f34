/** Public keys in the formats that key stores return: SubjectPublicKeyInfo, JWK and EC points (RFC 5280, RFC 7517). */
import { createPublicKey, type KeyObject, type SigningOptions } from "node:crypto";
import { SignerError } from "../errors.js";
import { ALGORITHMS, type Algorithm, type AlgorithmName, type KeyType, PUBLIC_MEMBERS } from "./algorithms.js";
import { type AlgorithmChoice, chooseAlgorithm } from "./choose-algorithm.js";
import { algorithmNamed } from "./find-algorithm.js";

/**
 * The members of a public JWK that its key type defines (RFC 7518 §6.2.1, §6.3.1, RFC 8037 §2, RFC 9964). Assignable to
 * the JWK types of `node:crypto` and jose.
 */
export interface PublicKeyMembers {
  /** The key type. */
  readonly kty: KeyType;
  /** EC and OKP: the curve, such as `P-256`. */
  readonly crv?: string;
  /** EC: the x coordinate. OKP: the public key. Base64url. */
  readonly x?: string;
  /** EC: the y coordinate. Base64url. */
  readonly y?: string;
  /** RSA: the modulus. Base64url. */
  readonly n?: string;
  /** RSA: the exponent. Base64url. */
  readonly e?: string;
  /** AKP: the algorithm, which is part of the key. */
  readonly alg?: AlgorithmName;
  /** AKP: the public key. Base64url. */
  readonly pub?: string;
}

/** A public key as a JWK, with the algorithm that its private key signs with. */
export interface PublicJwk extends PublicKeyMembers {
  /** The JWS algorithm. */
  readonly alg: AlgorithmName;
}

/** A key with the options of an algorithm, for `sign` and `verify` of `node:crypto`. */
export interface KeyWithOptions extends SigningOptions {
  /** The key. */
  readonly key: KeyObject;
}

/** A public key, and what verifying its signatures needs. */
export interface ImportedPublicKey {
  /** The key for `node:crypto`. */
  readonly key: KeyObject;
  /** The key with `alg` and the members of its type, frozen. */
  readonly jwk: PublicJwk;
  /** The row of its algorithm. */
  readonly algorithm: Algorithm;
  /** The length of each signature, in bytes. */
  readonly signatureBytes: number;
  /** For `verify` of `node:crypto`, which expects an ECDSA signature in DER. */
  readonly verifyKey: KeyObject | KeyWithOptions;
}

/**
 * Imports the public key that a store returned, and chooses the algorithm that it signs with.
 *
 * @param publicKey - SubjectPublicKeyInfo in DER, or a JWK. If the JWK has an `alg`, the key is restricted to it.
 * @param choice - What the store and the caller allow.
 * @returns The key, and its JWK with `alg` and the members of its type, frozen.
 * @throws {SignerError} With code `wrong-key` if it isn't a public key that can sign with the algorithm;
 *   `misconfigured` if it can sign with several algorithms and nothing says which.
 */
export function importPublicKey(
  publicKey: Uint8Array | PublicKeyMembers,
  { algorithm: requested, allowed }: AlgorithmChoice = {},
): ImportedPublicKey {
  const key = parsePublicKey(publicKey);
  const alg = publicKey instanceof Uint8Array ? undefined : publicKey.alg;
  const algorithm = chooseAlgorithm(key, { algorithm: requested, allowed: alg === undefined ? allowed : [alg] });
  const jwk = Object.freeze({ ...key.export({ format: "jwk" }), alg: algorithm.alg } as PublicJwk);
  const verifyKey = withOptions(key, algorithm);
  return { key, jwk, algorithm, signatureBytes: signatureBytes(algorithm, key), verifyKey };
}

/**
 * Returns the key with the options of the algorithm, for `sign` and `verify` of `node:crypto`. ECDSA signatures are then
 * DER: with options, Node 24 takes twice as long for a signature (it imports the key again).
 */
export function withOptions(key: KeyObject, { options }: Algorithm): KeyObject | KeyWithOptions {
  return options ? { key, ...options } : key;
}

/** Members that only a private or a secret key has. */
export const PRIVATE_MEMBERS: readonly string[] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/** Returns the members of the key's type: what the header of a proof contains (RFC 9449 §4.2). */
export function publicMembers(jwk: PublicKeyMembers): PublicKeyMembers {
  return Object.fromEntries(PUBLIC_MEMBERS[jwk.kty].map((name) => [name, jwk[name]])) as unknown as PublicKeyMembers;
}

/**
 * Converts the `CKA_EC_POINT` of PKCS#11: a DER OCTET STRING around the point, as the standard defines it, or the bare
 * point that some tokens return. Its length tells the curve.
 *
 * @param ecPoint - Such as 67 bytes `04 41 04 x y`, or 65 bytes `04 x y`, for P-256.
 * @returns The JWK. {@link importPublicKey} checks that the point is on the curve.
 * @throws {SignerError} With code `wrong-key` if it has neither form for any curve.
 */
export function jwkFromEcPoint(ecPoint: Uint8Array): PublicJwk {
  for (const row of ALGORITHMS) {
    const coordinates = row.kty === "EC" ? coordinatesOf(ecPoint, row.coordinateBytes) : undefined;
    if (coordinates && row.kty === "EC") return { kty: row.kty, crv: row.crv, ...coordinates, alg: row.alg };
  }
  const curves = ALGORITHMS.flatMap((row) => (row.kty === "EC" ? row.crv : [])).join(", ");
  const message = `The public point (${ecPoint.length} bytes) isn't an uncompressed point on a supported curve (${curves}).`;
  throw new SignerError("wrong-key", message);
}

const UNCOMPRESSED = 0x04;
const OCTET_STRING = 0x04;

function coordinatesOf(ecPoint: Uint8Array, bytes: number): { x: string; y: string } | undefined {
  const length = 1 + 2 * bytes;
  const header = length < 0x80 ? Buffer.of(OCTET_STRING, length) : Buffer.of(OCTET_STRING, 0x81, length);
  const isWrapped = ecPoint.length === header.length + length && header.compare(ecPoint, 0, header.length) === 0;
  const point = isWrapped ? ecPoint.subarray(header.length) : ecPoint;
  if (point.length !== length || point[0] !== UNCOMPRESSED) return undefined;
  const coordinate = (start: number) => Buffer.from(point.subarray(start, start + bytes)).toString("base64url");
  return { x: coordinate(1), y: coordinate(1 + bytes) };
}

function parsePublicKey(publicKey: Uint8Array | PublicKeyMembers): KeyObject {
  if (typeof publicKey !== "object" || publicKey === null)
    throw new SignerError("wrong-key", "The public key must be SubjectPublicKeyInfo in DER, or a JWK.");
  // Says why, if this version of Node doesn't know the key type.
  if (!(publicKey instanceof Uint8Array) && publicKey.kty === "AKP") algorithmNamed(String(publicKey.alg));
  try {
    if (!(publicKey instanceof Uint8Array)) return createPublicKey({ key: { ...publicKey }, format: "jwk" });
    return createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  } catch (cause) {
    const message = "The public key can't be parsed, its type isn't supported, or its point isn't on the curve.";
    throw new SignerError("wrong-key", message, { cause });
  }
}

function signatureBytes(algorithm: Algorithm, { asymmetricKeyDetails }: KeyObject): number {
  if (algorithm.kty !== "RSA") return algorithm.signatureBytes;
  return Math.ceil((asymmetricKeyDetails?.modulusLength ?? 0) / 8);
}
