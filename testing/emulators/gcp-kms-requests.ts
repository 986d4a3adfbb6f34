/** The requests of the Cloud KMS emulator's methods (google/cloud/kms/v1/service.proto), as it records them. */

/** A CRC32C (`google.protobuf.Int64Value`). */
export interface Checksum {
  /** The unsigned value, which clients may send as a string of digits. */
  value: string | number;
}

/** A request about the resources in another one, such as a page of their list. */
export interface Contained {
  /** The resource name of what contains the items. */
  parent: string;
  /** The token of the page. Empty for the first one. */
  pageToken?: string;
}

/** The request of a resource by its name. */
export interface Named {
  /** The resource name. */
  name: string;
}

/** The request of a public key. */
export interface GetPublicKeyInput extends Named {
  /** `PublicKeyFormat`: an empty or unspecified format is PEM, in the field `pem`. */
  publicKeyFormat: string;
}

/** One of its fields is set: the one that the algorithm takes. */
export interface Digest {
  /** The name of the field that is set. */
  digest?: string;
  /** A digest of 32 bytes. */
  sha256?: Buffer;
  /** A digest of 48 bytes. */
  sha384?: Buffer;
  /** A digest of 64 bytes. */
  sha512?: Buffer;
  /** The message representative of ML-DSA, 64 bytes. */
  externalMu?: Buffer;
}

/** The request of a signature, of a digest or of `data`. */
export interface AsymmetricSignInput extends Named {
  /** The digest. `null` if `data` is signed. */
  digest: Digest | null;
  /** The checksum of the digest. */
  digestCrc32c: Checksum | null;
  /** The message. Empty if a digest is signed. */
  data: Buffer;
  /** The checksum of the message. */
  dataCrc32c: Checksum | null;
}

/** The algorithm and the protection level of a key's versions. */
export interface VersionTemplate {
  /** The algorithm, such as `EC_SIGN_P256_SHA256`. */
  algorithm: string;
  /** `SOFTWARE`, `HSM`, `EXTERNAL` or `EXTERNAL_VPC`. */
  protectionLevel: string;
}

/** A key to create. */
export interface NewCryptoKey {
  /** The purpose of the key, such as `ASYMMETRIC_SIGN`. */
  purpose: string;
  /** The template of its versions. */
  versionTemplate: VersionTemplate | null;
}

/** The request to create a key. */
export interface CreateCryptoKeyInput {
  /** The resource name of the key ring. */
  parent: string;
  /** The last segment of the key's name. */
  cryptoKeyId: string;
  /** The key. */
  cryptoKey: NewCryptoKey;
}

/** The request to change a version. */
export interface UpdateVersionInput {
  /** The version, by its name, and its new state. */
  cryptoKeyVersion: Record<"name" | "state", string>;
  /** The fields to change, in `paths`. */
  updateMask: Record<"paths", string[]>;
}

/** The request to test permissions (`google.iam.v1`). */
export interface TestIamPermissionsInput {
  /** The resource name. */
  resource: string;
  /** The permissions, such as `cloudkms.cryptoKeyVersions.useToSign`. */
  permissions: string[];
}

/** The request of each method, as proto-loader decodes it. */
export interface Requests {
  /** Requests a public key. */
  GetPublicKey: GetPublicKeyInput;
  /** Requests a signature. */
  AsymmetricSign: AsymmetricSignInput;
  /** Requests the metadata of a version. */
  GetCryptoKeyVersion: Named;
  /** Requests a page of the versions of a key. */
  ListCryptoKeyVersions: Contained;
  /** Requests a page of the keys of a key ring. */
  ListCryptoKeys: Contained;
  /** Creates a key with one version. */
  CreateCryptoKey: CreateCryptoKeyInput;
  /** Adds a version to a key, `parent`. */
  CreateCryptoKeyVersion: Contained;
  /** Changes the state of a version. */
  UpdateCryptoKeyVersion: UpdateVersionInput;
  /** Schedules a version for destruction. */
  DestroyCryptoKeyVersion: Named;
  /** A method of `google.iam.v1.IAMPolicy`. It doesn't need a permission. */
  TestIamPermissions: TestIamPermissionsInput;
}

/** The methods that the emulator implements. */
export type Operation = keyof Requests;
