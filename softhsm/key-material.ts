/** The part of a key's templates that depends on its type: a mechanism that generates it, or the key to import. */
import { createPrivateKey, KeyObject } from "node:crypto";
import type { AlgorithmName } from "../src/index.js";
import { ulong } from "./cryptoki.js";
import { misconfigured } from "./misconfigured.js";
import type { Attribute } from "./protocol.js";

/** What PKCS#11 calls a type of key, and what it needs to make one. */
export interface KeyMaterial {
  /** `CKA_KEY_TYPE`. */
  readonly keyType: number;
  /** The mechanism that generates the pair. `undefined` for an imported key. */
  readonly mechanism: number | undefined;
  readonly publicKey: readonly Attribute[];
  readonly privateKey: readonly Attribute[];
  /** The algorithm that an RSA key needs in its URI. Other keys have only one. */
  readonly algorithm: AlgorithmName | undefined;
}

const CKK_RSA = 0x0;
const CKK_EC = 0x3;
const CKK_EC_EDWARDS = 0x40;

const CKA_VALUE = 0x11;
const CKA_MODULUS = 0x120;
const CKA_MODULUS_BITS = 0x121;
const CKA_PUBLIC_EXPONENT = 0x122;
/** `CKA_PRIVATE_EXPONENT` to `CKA_COEFFICIENT`, by the names of RFC 7518 §6.3.2. */
const RSA_PRIVATE = { d: 0x123, p: 0x124, q: 0x125, dp: 0x126, dq: 0x127, qi: 0x128 } as const;
const CKA_EC_PARAMS = 0x180;
const CKA_EC_POINT = 0x181;

const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0;
const CKM_EC_KEY_PAIR_GEN = 0x1040;
const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;

/** `CKA_EC_PARAMS` of each curve: its object identifier in DER (RFC 5480 §2.1.1.1, RFC 8410 §3). */
const CURVES: Readonly<Record<string, string>> = {
  "P-256": "06082a8648ce3d030107",
  "P-384": "06052b81040022",
  "P-521": "06052b81040023",
  secp256k1: "06052b8104000a",
  Ed25519: "06032b6570",
};

/** The curve of each algorithm's keys, or RSA. SoftHSM doesn't have ML-DSA. */
const KEY_OF: Readonly<Partial<Record<AlgorithmName, string>>> = {
  ES256: "P-256",
  ES384: "P-384",
  ES512: "P-521",
  Ed25519: "Ed25519",
  RS256: "RSA",
  RS384: "RSA",
  RS512: "RSA",
  PS256: "RSA",
  PS384: "RSA",
  PS512: "RSA",
};

const DEFAULT_MODULUS_LENGTH = 2048;
const MODULUS_LENGTHS = { min: 512, max: 16384 };

/**
 * Returns the material of a key pair to generate.
 *
 * @throws {SignerError} With code `misconfigured` for an algorithm that SoftHSM doesn't have, or an invalid length.
 */
export function generated(algorithm: AlgorithmName = "ES256", modulusLength?: number): KeyMaterial {
  const key = keyOf(algorithm);
  if (key === "RSA") return generatedRsa(algorithm, modulusLength ?? DEFAULT_MODULUS_LENGTH);
  if (modulusLength !== undefined) throw misconfigured(`modulusLength is only for RSA keys, not for ${algorithm}.`);
  const isEdwards = key === "Ed25519";
  return {
    keyType: isEdwards ? CKK_EC_EDWARDS : CKK_EC,
    mechanism: isEdwards ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN,
    publicKey: [curveAttribute(key)],
    privateKey: [],
    algorithm: undefined,
  };
}

function generatedRsa(algorithm: AlgorithmName, modulusLength: number): KeyMaterial {
  const { min, max } = MODULUS_LENGTHS;
  if (!(Number.isInteger(modulusLength) && modulusLength >= min && modulusLength <= max))
    throw misconfigured(`modulusLength must be an integer from ${min} to ${max}.`);
  return {
    keyType: CKK_RSA,
    mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
    publicKey: [
      { type: CKA_MODULUS_BITS, value: ulong(modulusLength) },
      { type: CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
    ],
    privateKey: [],
    algorithm,
  };
}

/**
 * Returns the material of a key to import.
 *
 * @param privateKey - A key object, PKCS#8 in PEM, or PKCS#8 in DER.
 * @param algorithm - For an RSA key: the algorithm that its URI names. Default: `RS256`.
 * @throws {SignerError} With code `misconfigured` if it isn't a private key that SoftHSM can sign with, or doesn't match the
 *   algorithm.
 */
export function imported(privateKey: KeyObject | string | Uint8Array, algorithm?: AlgorithmName): KeyMaterial {
  const jwk = exportJwk(readPrivateKey(privateKey));
  const key = jwk.kty === "RSA" ? "RSA" : (jwk.crv ?? "");
  if (algorithm !== undefined && keyOf(algorithm) !== key)
    throw misconfigured(`privateKey is a key for ${key}, but algorithm is ${algorithm}.`);
  const member = (name: string) => Buffer.from(jwk[name] ?? "", "base64url");
  if (key === "RSA") return importedRsa(member, algorithm ?? "RS256");
  const curve = curveAttribute(key);
  const isEdwards = key === "Ed25519";
  const point = isEdwards ? member("x") : Buffer.concat([Buffer.of(4), member("x"), member("y")]);
  return {
    keyType: isEdwards ? CKK_EC_EDWARDS : CKK_EC,
    mechanism: undefined,
    publicKey: [curve, { type: CKA_EC_POINT, value: octetString(point) }],
    privateKey: [curve, { type: CKA_VALUE, value: member("d") }],
    algorithm: undefined,
  };
}

function importedRsa(member: (name: string) => Buffer, algorithm: AlgorithmName): KeyMaterial {
  const publicKey = [
    { type: CKA_MODULUS, value: member("n") },
    { type: CKA_PUBLIC_EXPONENT, value: member("e") },
  ];
  const privateKey = Object.entries(RSA_PRIVATE).map(([name, type]) => ({ type, value: member(name) }));
  return { keyType: CKK_RSA, mechanism: undefined, publicKey, privateKey: [...publicKey, ...privateKey], algorithm };
}

/** The cause is left out: an error about a private key isn't repeated. */
function readPrivateKey(privateKey: KeyObject | string | Uint8Array): KeyObject {
  const isDer = privateKey instanceof Uint8Array;
  try {
    if (privateKey instanceof KeyObject) return privateKey;
    if (!isDer) return createPrivateKey(privateKey);
    return createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" });
  } catch {
    throw misconfigured(`privateKey isn't an unencrypted private key in ${isDer ? "DER (PKCS#8)" : "PEM"}.`);
  }
}

function exportJwk(key: KeyObject): Readonly<Record<string, string | undefined>> {
  const type = key.asymmetricKeyType ?? key.type;
  if (key.type !== "private") throw misconfigured(`privateKey is a ${key.type} key.`);
  const jwk = ["rsa", "ec", "ed25519"].includes(type) ? tryExport(key) : undefined;
  if (jwk?.kty === "RSA" || (jwk?.crv !== undefined && jwk.crv in CURVES)) return jwk;
  throw misconfigured(`SoftHSM can't sign with this private key: its type is ${type}${jwk?.crv ? ` ${jwk.crv}` : ""}.`);
}

/** Fails for a key that may not leave its store, and for a curve that JSON Web Keys don't have. */
function tryExport(key: KeyObject): Readonly<Record<string, string | undefined>> | undefined {
  try {
    return { ...key.export({ format: "jwk" }) } as Readonly<Record<string, string | undefined>>;
  } catch {
    return undefined;
  }
}

function keyOf(algorithm: AlgorithmName): string {
  const key = Object.hasOwn(KEY_OF, algorithm) ? KEY_OF[algorithm] : undefined;
  if (key !== undefined) return key;
  throw misconfigured(`SoftHSM doesn't have keys for ${algorithm}. It has ${Object.keys(KEY_OF).join(", ")}.`);
}

function curveAttribute(curve: string): Attribute {
  return { type: CKA_EC_PARAMS, value: Buffer.from(CURVES[curve] ?? "", "hex") };
}

/** A DER `OCTET STRING`. The longest point, on P-521, has 133 bytes. */
function octetString(bytes: Buffer): Buffer {
  const length = bytes.length < 0x80 ? [bytes.length] : [0x81, bytes.length];
  return Buffer.concat([Buffer.of(0x04, ...length), bytes]);
}
