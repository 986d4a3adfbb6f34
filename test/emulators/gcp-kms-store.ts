/** Key rings, keys and versions as Cloud KMS keeps them (google/cloud/kms/v1/resources.proto), with real keys. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { status } from "@grpc/grpc-js";

/** What the service answers instead: a gRPC status and its own words. */
export class Refusal extends Error {
  readonly code: status;

  constructor(code: status, details: string) {
    super(details);
    this.code = code;
  }
}

interface Timestamp {
  seconds: string;
}

/** The fields of `CryptoKeyVersion` that matter here. */
export interface VersionFields {
  state: string;
  protectionLevel: string;
  algorithm: string;
  createTime?: Timestamp;
  generateTime?: Timestamp | null;
  importJob?: string;
  importTime?: Timestamp;
  importFailureReason?: string;
  trustedWrappingEnabled?: boolean;
  externalProtectionLevelOptions?: { externalKeyUri: string };
  attestation?: { format: string; content: Buffer };
}

export interface StoredVersion {
  readonly fields: VersionFields & { name: string };
  readonly purpose: string;
  readonly privateKey: KeyObject | undefined;
  readonly publicKey: KeyObject | undefined;
  /** How many more times it is looked at before it is made; only while it is PENDING_GENERATION. */
  looksLeft: number;
}

export interface StoredKey {
  readonly fields: { name: string; purpose: string; versionTemplate: { algorithm: string; protectionLevel: string } };
  readonly versions: StoredVersion[];
}

/** What a new key is like, where it is not as the main job needs it. */
export interface KeyWish extends Partial<VersionFields> {
  id?: string;
  purpose?: string;
}

const ID = /^[a-zA-Z0-9_-]{1,63}$/;
const LOOKS_UNTIL_MADE = 2;
const now = () => ({ seconds: String(Math.floor(Date.now() / 1000)) });

/** Stands for what an HSM says: nobody here can make a real one. */
const ATTESTATION = { format: "CAVIUM_V2_COMPRESSED", content: Buffer.from("an attestation of the emulator") };

const MATERIAL: Readonly<Record<string, () => { privateKey: KeyObject; publicKey: KeyObject }>> = {
  EC_SIGN_P256_SHA256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EC_SIGN_P384_SHA384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  EC_SIGN_SECP256K1_SHA256: () => generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
  EC_SIGN_ED25519: () => generateKeyPairSync("ed25519"),
  RSA_SIGN_PSS_2048_SHA256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  RSA_DECRYPT_OAEP_2048_SHA256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
};

export class KmsStore {
  readonly keyRing: string;
  readonly #keys = new Map<string, StoredKey>();

  constructor(keyRing: string) {
    this.keyRing = keyRing;
  }

  /** @returns the key, with its version 1 */
  addKey({ id = `key-${this.#keys.size + 1}`, purpose = "ASYMMETRIC_SIGN", ...version }: KeyWish = {}): StoredKey {
    const name = `${this.keyRing}/cryptoKeys/${id}`;
    if (!ID.test(id)) throw new Refusal(status.INVALID_ARGUMENT, `Invalid CryptoKey id: ${id}.`);
    if (this.#keys.has(name)) throw new Refusal(status.ALREADY_EXISTS, `CryptoKey ${name} already exists.`);
    const { algorithm = "EC_SIGN_P256_SHA256", protectionLevel = "SOFTWARE" } = version;
    const key = { fields: { name, purpose, versionTemplate: { algorithm, protectionLevel } }, versions: [] };
    this.#keys.set(name, key);
    this.addVersion(key, version);
    return key;
  }

  addVersion(key: StoredKey, wish: Partial<VersionFields> = {}): StoredVersion {
    const fields = {
      state: "ENABLED",
      ...key.fields.versionTemplate,
      createTime: now(),
      generateTime: wish.state === "PENDING_GENERATION" ? null : now(),
      ...(key.fields.versionTemplate.protectionLevel === "HSM" ? { attestation: ATTESTATION } : {}),
      ...wish,
      name: `${key.fields.name}/cryptoKeyVersions/${key.versions.length + 1}`,
    };
    const { privateKey, publicKey } = MATERIAL[fields.algorithm]?.() ?? {};
    const version = { fields, purpose: key.fields.purpose, privateKey, publicKey, looksLeft: LOOKS_UNTIL_MADE };
    key.versions.push(version);
    return version;
  }

  keys(keyRing: string): StoredKey[] {
    if (keyRing !== this.keyRing) throw notFound("KeyRing", keyRing);
    return [...this.#keys.values()];
  }

  key(name: string): StoredKey {
    return this.#keys.get(name) ?? notFound("CryptoKey", name);
  }

  version(name: string): StoredVersion {
    const key = name.split("/").slice(0, -2).join("/");
    const found = this.#keys.get(key)?.versions.find(({ fields }) => fields.name === name);
    return found ?? notFound("CryptoKeyVersion", name);
  }

  /** Whoever looks at a key that is being made brings it nearer to being made: no clock is needed. */
  look(version: StoredVersion): StoredVersion["fields"] {
    if (version.fields.state === "PENDING_GENERATION" && version.looksLeft-- <= 0)
      Object.assign(version.fields, { state: "ENABLED", generateTime: now() });
    return version.fields;
  }
}

function notFound(kind: string, name: string): never {
  if (!name.startsWith("projects/") || name.split("/").length % 2 !== 0)
    throw new Refusal(status.INVALID_ARGUMENT, `Malformed name: "${name}" is not the name of a ${kind}.`);
  throw new Refusal(status.NOT_FOUND, `${kind} ${name} not found.`);
}
