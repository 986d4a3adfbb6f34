/** The key material in the Key Vault emulator: real keys, which sign digests as the service does. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { signDigest } from "./ecdsa-digest.js";
import { type RsaHash, signPkcs1, signPss } from "./rsa-digest.js";
import { nextRsaKey } from "./rsa-keys.js";

/** The curves of the service. `P-256K` is its name of secp256k1. */
export type Curve = "P-256" | "P-384" | "P-521" | "P-256K";

/** A key pair, or a symmetric key, which doesn't have public members. */
export interface KeyMaterial {
  /** `crv`, `x`, `y`, or `n`, `e`, as the JWK of a response has them. */
  readonly publicMembers: Readonly<Record<string, string>>;
  /** Signs a digest: r‖s, or as many bytes as the modulus. */
  sign(algorithm: string, digest: Uint8Array): Uint8Array;
}

/** By curve: the name in `node:crypto`, and the bytes of a coordinate. */
const CURVES: Readonly<Record<Curve, readonly [namedCurve: string, size: number]>> = {
  "P-256": ["prime256v1", 32],
  "P-384": ["secp384r1", 48],
  "P-521": ["secp521r1", 66],
  "P-256K": ["secp256k1", 32],
};

/** Generates a key pair on a curve. */
export function ecMaterial(curve: Curve): KeyMaterial {
  const [namedCurve, size] = CURVES[curve];
  const { privateKey } = generateKeyPairSync("ec", { namedCurve });
  const { x = "", y = "" } = privateKey.export({ format: "jwk" });
  return {
    publicMembers: { crv: curve, x, y },
    sign: (_, digest) => toRaw(signDigest(privateKey, digest), size),
  };
}

/** Returns an RSA key, which isn't that of the previous call. */
export function rsaMaterial(modulusLength: number): KeyMaterial {
  const key = nextRsaKey(modulusLength);
  const { n = "", e = "" } = key.export({ format: "jwk" });
  return { publicMembers: { n, e }, sign: (algorithm, digest) => signRsa(key, algorithm, digest) };
}

function signRsa(key: KeyObject, algorithm: string, digest: Uint8Array): Uint8Array {
  const hash = `sha${algorithm.slice(2)}` as RsaHash;
  return algorithm.startsWith("PS") ? signPss(key, hash, digest) : signPkcs1(key, hash, digest);
}

/** Converts `SEQUENCE { r INTEGER, s INTEGER }` to r‖s. Doesn't use the code under test. */
function toRaw(der: Uint8Array, size: number): Buffer {
  const bytes = Buffer.from(der);
  const start = bytes.readUInt8(1) === 0x81 ? 3 : 2;
  const rLength = bytes.readUInt8(start + 1);
  const r = bytes.subarray(start + 2, start + 2 + rLength);
  const s = bytes.subarray(start + 4 + rLength);
  return Buffer.concat([r, s].map((integer) => toLength(integer, size)));
}

function toLength(integer: Buffer, size: number): Buffer {
  const digits = integer.subarray(integer.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.alloc(size - digits.length), digits]);
}
