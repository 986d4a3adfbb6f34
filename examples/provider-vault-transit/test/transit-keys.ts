/** The keys of the transit server: real key pairs, what the server reports about them, and their signatures. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { signDigest } from "../../../test/emulators/ecdsa-digest.js";
import { longestSalt, type RsaHash, signPkcs1, signPss } from "../../../test/emulators/rsa-digest.js";

/** The types that the server creates. `aes256-gcm96` can't sign. */
export type KeyType = keyof typeof GENERATORS;

/** A key with all its versions. */
export interface TransitKey {
  readonly type: KeyType;
  readonly settings: Record<string, unknown>;
  /** In order, starting with version 1. */
  readonly versions: KeyObject[];
}

/** An error response. */
export class TransitError extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}

const GENERATORS = {
  "ecdsa-p256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  "ecdsa-p384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  "ecdsa-p521": () => generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey,
  ed25519: () => generateKeyPairSync("ed25519").privateKey,
  "rsa-2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  "rsa-3072": () => generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey,
  "rsa-4096": () => generateKeyPairSync("rsa", { modulusLength: 4096 }).privateKey,
  "aes256-gcm96": () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
};

const HASHES: Readonly<Record<string, RsaHash>> = { "sha2-256": "sha256", "sha2-384": "sha384", "sha2-512": "sha512" };

/** Returns whether the server can create a key of this type. */
export function isKeyType(type: unknown): type is KeyType {
  return typeof type === "string" && Object.hasOwn(GENERATORS, type);
}

/** Generates one version of a key. */
export function generateVersion(type: KeyType): KeyObject {
  return GENERATORS[type]();
}

/** Returns the `data` of the response that describes a key. */
export function describeKey(name: string, { type, settings, versions }: TransitKey): object {
  const symmetric = type === "aes256-gcm96";
  const publicKeys = versions.map((version, n) => [
    String(n + 1),
    { name: type, creation_time: "2026-01-01T00:00:00Z", public_key: publicKeyOf(version) },
  ]);
  return {
    name,
    type,
    derived: false,
    deletion_allowed: false,
    exportable: false,
    allow_plaintext_backup: false,
    imported_key: false,
    supports_signing: !symmetric,
    latest_version: versions.length,
    min_available_version: 0,
    min_decryption_version: 1,
    min_encryption_version: 0,
    keys: symmetric ? { 1: 1767225600 } : Object.fromEntries(publicKeys),
    ...settings,
  };
}

/**
 * Signs as the server does: ECDSA and RSA over a digest, Ed25519 over the message. The salt of RSASSA-PSS is as long as
 * possible, unless `salt_length` is `hash`.
 *
 * @param hashName - The last segment of the URL. Default: `sha2-256`.
 * @returns r‖s, or the signature as it is.
 */
export function signInput(
  { type }: TransitKey,
  version: KeyObject,
  body: Record<string, unknown>,
  hashName = "sha2-256",
): Buffer {
  const hash = HASHES[hashName];
  if (type === "aes256-gcm96") throw new TransitError(`key type ${type} does not support signing`);
  if (hash === undefined) throw new TransitError(`invalid hash algorithm "${hashName}"`);
  if (body.marshaling_algorithm !== "jws") throw new TransitError("the tests expect the marshaling type jws");
  const input = inputOf(body);
  if (type === "ed25519") return sign(null, input, version);
  const digest = body.prehashed === true ? input : createHash(hash).update(input).digest();
  return type.startsWith("rsa-")
    ? signWithRsa(version, hash, digest, body)
    : joseForm(signDigest(version, digest), coordinateBytes(version));
}

function inputOf({ input }: Record<string, unknown>): Buffer {
  const bytes = typeof input === "string" ? Buffer.from(input, "base64") : Buffer.alloc(0);
  if (bytes.toString("base64") === input) return bytes;
  throw new TransitError("unable to decode input as base64: illegal base64 data at input byte 0");
}

function signWithRsa(key: KeyObject, hash: RsaHash, digest: Buffer, body: Record<string, unknown>): Buffer {
  const { signature_algorithm = "pss", salt_length = "auto" } = body;
  const length = createHash(hash).digest().length;
  if (digest.length !== length) throw new TransitError("crypto/rsa: input must be hashed with given hash", 500);
  if (signature_algorithm === "pkcs1v15") return Buffer.from(signPkcs1(key, hash, digest));
  if (signature_algorithm !== "pss")
    throw new TransitError(`unsupported rsa signature algorithm ${signature_algorithm}`, 500);
  return Buffer.from(signPss(key, hash, digest, salt_length === "hash" ? length : longestSalt(key, length)));
}

/** Converts `30 len 02 len r 02 len s` to r‖s. The length of the sequence has two bytes for P-521. */
function joseForm(der: Uint8Array, size: number): Buffer {
  const r = der[1] === 0x81 ? 3 : 2;
  const s = r + 2 + (der[r + 1] ?? 0);
  const integers = [der.subarray(r + 2, s), der.subarray(s + 2)];
  return Buffer.concat(integers.map((integer) => Buffer.concat([Buffer.alloc(size), integer]).subarray(-size)));
}

function coordinateBytes(key: KeyObject): number {
  return Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url").length;
}

/** PEM, except for Ed25519: the 32 bytes of the key in base64. */
function publicKeyOf(privateKey: KeyObject): string {
  const publicKey = createPublicKey(privateKey);
  if (publicKey.asymmetricKeyType !== "ed25519") return publicKey.export({ type: "spki", format: "pem" }).toString();
  return Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url").toString("base64");
}
