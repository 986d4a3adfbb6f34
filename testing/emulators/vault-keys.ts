/** The keys of the transit emulator: real key pairs, what the server reports about them, and their signatures. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { signDigest } from "./ecdsa-digest.js";
import { generateMlDsa } from "./ml-dsa.js";
import { longestSalt, type RsaHash, signPkcs1, signPss } from "./rsa-digest.js";
import { nextRsaKey } from "./rsa-keys.js";

/** The types that the server creates. `aes256-gcm96` can't sign. */
export type KeyType =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "ecdsa-p521"
  | "ed25519"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096"
  | "ml-dsa"
  | "aes256-gcm96"
  | "managed_key";

/** The parameters of a request to sign, and the last segment of its path. */
export interface SignParameters {
  /** The members of the JSON body. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The last segment of the path, such as `sha2-256`. */
  readonly hash: string | undefined;
}

/** A version of a key. */
export interface KeyVersion {
  /** PEM or, for Ed25519 and ML-DSA, base64. A symmetric key doesn't have one. */
  readonly publicKey: string | undefined;
  /** Returns the signature, in the form that the request asks for. */
  sign(parameters: SignParameters): Uint8Array;
}

/** A key with all its versions. */
export interface TransitKey {
  /** The type of its versions. */
  readonly type: KeyType;
  /** What the server reports about it, apart from the versions. */
  readonly settings: Record<string, unknown>;
  /** In order, starting with version 1. */
  readonly versions: KeyVersion[];
}

/** An error response. */
export class TransitError extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}

const GENERATORS: Readonly<Record<KeyType, (parameterSet?: string) => KeyVersion>> = {
  "ecdsa-p256": () => ecVersion("P-256", 32),
  "ecdsa-p384": () => ecVersion("P-384", 48),
  "ecdsa-p521": () => ecVersion("P-521", 66),
  ed25519: ed25519Version,
  "rsa-2048": () => rsaVersion(2048),
  "rsa-3072": () => rsaVersion(3072),
  "rsa-4096": () => rsaVersion(4096),
  "ml-dsa": (parameterSet = "44") => mlDsaVersion(parameterSet),
  "aes256-gcm96": () => ({ publicKey: undefined, sign: cannotSign }),
  managed_key: () => ({ publicKey: undefined, sign: cannotSign }),
};

const HASHES: Readonly<Record<string, RsaHash>> = { "sha2-256": "sha256", "sha2-384": "sha384", "sha2-512": "sha512" };

/** Returns whether the server can create a key of this type. */
export function isKeyType(type: unknown): type is KeyType {
  return typeof type === "string" && Object.hasOwn(GENERATORS, type);
}

/** Generates one version of a key. */
export function generateVersion(type: KeyType, settings: Readonly<Record<string, unknown>> = {}): KeyVersion {
  const { parameter_set } = settings;
  return GENERATORS[type](parameter_set === undefined ? undefined : String(parameter_set));
}

/** Returns the `data` of the response that describes a key. Versions below `min_decryption_version` are archived. */
export function describeKey(name: string, { type, settings, versions }: TransitKey): Record<string, unknown> {
  const { min_decryption_version: minimum = 1, parameter_set } = settings;
  const present = versions.flatMap(({ publicKey }, at) => {
    const reported = { name: parameter_set === undefined ? type : `${type}-${parameter_set}`, certificate_chain: "" };
    const version = { ...reported, creation_time: "2026-01-01T00:00:00Z", public_key: publicKey };
    return at + 1 < Number(minimum) ? [] : [[String(at + 1), publicKey === undefined ? 1767225600 : version]];
  });
  return {
    name,
    type,
    derived: false,
    deletion_allowed: false,
    exportable: false,
    allow_plaintext_backup: false,
    auto_rotate_period: 0,
    imported_key: false,
    soft_deleted: false,
    supports_signing: type !== "aes256-gcm96",
    latest_version: versions.length,
    min_available_version: 0,
    min_decryption_version: 1,
    min_encryption_version: 0,
    keys: Object.fromEntries(present),
    ...settings,
  };
}

/** Signs as the server does, with its checks of the version. */
export function signWith(
  key: TransitKey | undefined,
  parameters: SignParameters,
): { signature: string; version: number } {
  if (key === undefined) throw new TransitError("signing key not found");
  const { key_version: requested = 0 } = parameters.body;
  const { soft_deleted, derived, min_encryption_version = 0, min_decryption_version = 1 } = key.settings;
  if (!key.versions[0]?.publicKey) throw new TransitError(`key type ${key.type} does not support signing`);
  if (soft_deleted === true) throw new TransitError("refusing to use soft-deleted key", 500);
  const number = Number(requested) || key.versions.length;
  if (number > key.versions.length)
    throw new TransitError("requested version for signing is higher than the latest key version", 500);
  if (number < Number(min_encryption_version))
    throw new TransitError("requested version for signing is less than the minimum encryption key version", 500);
  if (number < Number(min_decryption_version)) throw new TransitError("no such key version", 500);
  if (derived === true)
    throw new TransitError("error deriving key: missing 'context' for key derivation; the key was created", 500);
  const signature = key.versions[number - 1]?.sign(parameters) ?? Buffer.alloc(0);
  const isJws = parameters.body.marshaling_algorithm === "jws";
  return { signature: Buffer.from(signature).toString(isJws ? "base64url" : "base64"), version: number };
}

function ecVersion(namedCurve: string, size: number): KeyVersion {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve });
  return {
    publicKey: pemOf(privateKey),
    sign: (parameters) => {
      const der = signDigest(privateKey, digestOf(parameters).digest);
      return parameters.body.marshaling_algorithm === "jws" ? joseForm(der, size) : der;
    },
  };
}

/** Ed25519 hashes the message, whatever `prehashed` is. */
function ed25519Version(): KeyVersion {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  return {
    publicKey: Buffer.from(x, "base64url").toString("base64"),
    sign: ({ body }) => sign(null, inputOf(body), privateKey),
  };
}

function rsaVersion(modulusLength: number): KeyVersion {
  const privateKey = nextRsaKey(modulusLength);
  return { publicKey: pemOf(privateKey), sign: (parameters) => signWithRsa(privateKey, parameters) };
}

/** Only Vault Enterprise has it. Its source isn't public: the format is that of Ed25519 keys. */
function mlDsaVersion(parameterSet: string): KeyVersion {
  const { spki, sign } = generateMlDsa(parameterSet);
  const SPKI_HEADER = 22;
  return { publicKey: spki.subarray(SPKI_HEADER).toString("base64"), sign: ({ body }) => sign(inputOf(body)) };
}

function cannotSign(): Uint8Array {
  throw new TransitError("this key does not support signing");
}

/** The salt of RSASSA-PSS is as long as possible, unless `salt_length` is `hash`. */
function signWithRsa(key: KeyObject, parameters: SignParameters): Uint8Array {
  const { signature_algorithm = "pss", salt_length = "auto" } = parameters.body;
  const { digest, hash } = digestOf(parameters);
  const length = createHash(hash).digest().length;
  if (digest.length !== length) throw new TransitError("crypto/rsa: input must be hashed with given hash", 500);
  if (signature_algorithm === "pkcs1v15") return signPkcs1(key, hash, digest);
  if (signature_algorithm !== "pss")
    throw new TransitError(`unsupported rsa signature algorithm ${signature_algorithm}`, 500);
  return signPss(key, hash, digest, salt_length === "hash" ? length : longestSalt(key, length));
}

function digestOf({ body, hash: name = "sha2-256" }: SignParameters): { digest: Buffer; hash: RsaHash } {
  const hash = HASHES[name];
  if (hash === undefined) throw new TransitError(`invalid hash algorithm "${name}"`);
  const input = inputOf(body);
  return { digest: body.prehashed === true ? input : createHash(hash).update(input).digest(), hash };
}

function inputOf({ input }: SignParameters["body"]): Buffer {
  const bytes = typeof input === "string" ? Buffer.from(input, "base64") : Buffer.alloc(0);
  if (bytes.toString("base64") === input) return bytes;
  throw new TransitError("unable to decode input as base64: illegal base64 data at input byte 0");
}

/** Converts `30 len 02 len r 02 len s` to r‖s. The length of the sequence has two bytes for P-521. */
function joseForm(der: Uint8Array, size: number): Buffer {
  const r = der[1] === 0x81 ? 3 : 2;
  const s = r + 2 + (der[r + 1] ?? 0);
  const integers = [der.subarray(r + 2, s), der.subarray(s + 2)];
  return Buffer.concat(integers.map((integer) => Buffer.concat([Buffer.alloc(size), integer]).subarray(-size)));
}

function pemOf(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
}
