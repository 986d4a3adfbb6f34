/** Keys and versions of the Cloud KMS emulator (google/cloud/kms/v1/resources.proto). The key pairs are real. */

import { ASYMMETRIC_ALGORITHMS, type KeyPair } from "./gcp-kms-algorithms.js";
import type { VersionTemplate } from "./gcp-kms-requests.js";
import { status } from "./grpc.js";

/** A gRPC error response: status and details. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
  }
}

/** A time (`google.protobuf.Timestamp`). */
export interface Timestamp {
  /** Seconds since 1970, in decimal digits. */
  seconds: string;
}

/** The fields of `CryptoKeyVersion` that the tests need. */
export interface VersionFields {
  /** The state, such as `ENABLED`. */
  state: string;
  /** `SOFTWARE`, `HSM`, `EXTERNAL` or `EXTERNAL_VPC`. */
  protectionLevel: string;
  /** The algorithm, such as `EC_SIGN_P256_SHA256`. */
  algorithm: string;
  /** When the version was created. */
  createTime?: Timestamp;
  /** When its key pair was generated. `null` while it is pending. */
  generateTime?: Timestamp | null;
  /** When the version will be destroyed, while its state is `DESTROY_SCHEDULED`. */
  destroyTime?: Timestamp;
  /** The resource name of the import job, if the key was imported. */
  importJob?: string;
  /** When it was imported. */
  importTime?: Timestamp;
  /** Why the import failed. */
  importFailureReason?: string;
  /** Whether the key can be wrapped by a trusted key. */
  trustedWrappingEnabled?: boolean;
  /** Where an external key is. */
  externalProtectionLevelOptions?: Record<"externalKeyUri", string>;
  /** The statement of an HSM. The emulator has only a placeholder. */
  attestation?: Attestation;
}

/** The statement of an HSM about a key (`KeyOperationAttestation`). */
export interface Attestation {
  /** The format, such as `CAVIUM_V2_COMPRESSED`. */
  format: string;
  /** The statement. */
  content: Buffer;
}

/** The fields of a version, and its resource name. */
export interface NamedVersionFields extends VersionFields {
  /** The resource name. */
  name: string;
}

/** The fields of `CryptoKey` that the tests need. */
export interface KeyFields {
  /** The resource name. */
  readonly name: string;
  /** The purpose, such as `ASYMMETRIC_SIGN`. */
  readonly purpose: string;
  /** The template of new versions. */
  readonly versionTemplate: VersionTemplate;
}

/** A key version and its key pair. */
export interface StoredVersion {
  /** The metadata, with the resource name. */
  readonly fields: NamedVersionFields;
  /** The purpose of the key, such as `ASYMMETRIC_SIGN`. */
  readonly purpose: string;
  /** Missing for a symmetric key. */
  readonly keyPair: KeyPair | undefined;
  /** While the state is PENDING_GENERATION: how many more reads return that state. */
  pollsUntilGenerated: number;
}

/** A key and its versions. */
export interface StoredKey {
  /** The metadata, with the resource name. */
  readonly fields: KeyFields;
  /** In order, starting with version 1. */
  readonly versions: StoredVersion[];
}

/** A new key and its version 1. By default, an enabled ES256 signing key. */
export interface KeyOptions extends Partial<VersionFields> {
  /** Letters, digits, `-` and `_`. Default: `key-1`, `key-2`, and so on. */
  id?: string;
  /** Default: `ASYMMETRIC_SIGN`. */
  purpose?: string;
}

const ID = /^[a-zA-Z0-9_-]{1,63}$/;
const POLLS_UNTIL_GENERATED = 2;
const now = () => ({ seconds: String(Math.floor(Date.now() / 1000)) });

/** A placeholder: only an HSM can issue a real attestation. */
const ATTESTATION = { format: "CAVIUM_V2_COMPRESSED", content: Buffer.from("an attestation of the emulator") };

/** The keys of one key ring. */
export class KmsStore {
  /** The resource name of the key ring. */
  readonly keyRing: string;
  /** The permissions that the caller doesn't have, according to TestIamPermissions. */
  readonly withheld = new Set<string>();
  readonly #keys = new Map<string, StoredKey>();

  constructor(keyRing: string) {
    this.keyRing = keyRing;
  }

  /** Adds a key with version 1. */
  addKey({ id = `key-${this.#keys.size + 1}`, purpose = "ASYMMETRIC_SIGN", ...version }: KeyOptions = {}): StoredKey {
    const name = `${this.keyRing}/cryptoKeys/${id}`;
    if (!ID.test(id)) throw new GrpcError(status.INVALID_ARGUMENT, `Invalid CryptoKey id: ${id}.`);
    if (this.#keys.has(name)) throw new GrpcError(status.ALREADY_EXISTS, `CryptoKey ${name} already exists.`);
    const { algorithm = "EC_SIGN_P256_SHA256", protectionLevel = "SOFTWARE" } = version;
    const key = { fields: { name, purpose, versionTemplate: { algorithm, protectionLevel } }, versions: [] };
    this.#keys.set(name, key);
    this.addVersion(key, version);
    return key;
  }

  /** Adds a version to a key. By default, it is enabled. */
  addVersion(key: StoredKey, options: Partial<VersionFields> = {}): StoredVersion {
    const fields = {
      state: "ENABLED",
      ...key.fields.versionTemplate,
      createTime: now(),
      generateTime: options.state === "PENDING_GENERATION" ? null : now(),
      ...(key.fields.versionTemplate.protectionLevel === "HSM" ? { attestation: ATTESTATION } : {}),
      ...options,
      name: `${key.fields.name}/cryptoKeyVersions/${key.versions.length + 1}`,
    };
    const version = {
      fields,
      purpose: key.fields.purpose,
      keyPair: ASYMMETRIC_ALGORITHMS[fields.algorithm]?.generate(),
      pollsUntilGenerated: POLLS_UNTIL_GENERATED,
    };
    key.versions.push(version);
    return version;
  }

  /**
   * Returns the keys of the key ring.
   *
   * @throws {GrpcError} `NOT_FOUND` if it has another name.
   */
  keys(keyRing: string): StoredKey[] {
    if (keyRing !== this.keyRing) throw notFound("KeyRing", keyRing);
    return [...this.#keys.values()];
  }

  /**
   * Returns the key with this resource name.
   *
   * @throws {GrpcError} `NOT_FOUND` if it doesn't exist.
   */
  key(name: string): StoredKey {
    return this.#keys.get(name) ?? notFound("CryptoKey", name);
  }

  /**
   * Returns the version with this resource name.
   *
   * @throws {GrpcError} `NOT_FOUND` if it doesn't exist.
   */
  version(name: string): StoredVersion {
    const key = name.split("/").slice(0, -2).join("/");
    const found = this.#keys.get(key)?.versions.find(({ fields }) => fields.name === name);
    return found ?? notFound("CryptoKeyVersion", name);
  }

  /** Reads a version. Each read of a pending version brings it closer to ENABLED, so the tests don't depend on time. */
  poll(version: StoredVersion): StoredVersion["fields"] {
    if (version.fields.state === "PENDING_GENERATION" && version.pollsUntilGenerated-- <= 0)
      Object.assign(version.fields, { state: "ENABLED", generateTime: now() });
    return version.fields;
  }
}

function notFound(kind: string, name: string): never {
  if (!name.startsWith("projects/") || name.split("/").length % 2 !== 0)
    throw new GrpcError(status.INVALID_ARGUMENT, `Malformed name: "${name}" is not the name of a ${kind}.`);
  throw new GrpcError(status.NOT_FOUND, `${kind} ${name} not found.`);
}
