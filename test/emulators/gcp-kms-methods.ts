/** The methods of the Cloud KMS emulator (google/cloud/kms/v1/service.proto): their checks and responses. */
import { createHash } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { crc32c } from "./crc32c.js";
import { signDigest } from "./ecdsa-digest.js";
import { GrpcError, type KmsStore, type StoredVersion, type VersionFields } from "./gcp-kms-store.js";

interface Checksum {
  value: string | number;
}

interface Paged {
  parent: string;
  pageToken?: string;
}

/** The request of each method, as proto-loader decodes it. */
export interface Requests {
  GetPublicKey: { name: string };
  AsymmetricSign: {
    name: string;
    digest: { sha256?: Buffer; sha384?: Buffer; sha512?: Buffer } | null;
    digestCrc32c: Checksum | null;
    data: Buffer;
    dataCrc32c: Checksum | null;
  };
  GetCryptoKeyVersion: { name: string };
  ListCryptoKeyVersions: Paged;
  ListCryptoKeys: Paged;
  CreateCryptoKey: {
    parent: string;
    cryptoKeyId: string;
    cryptoKey: { purpose: string; versionTemplate: { algorithm: string; protectionLevel: string } | null };
  };
  CreateCryptoKeyVersion: { parent: string };
  UpdateCryptoKeyVersion: { cryptoKeyVersion: { name: string; state: string }; updateMask: { paths: string[] } };
  DestroyCryptoKeyVersion: { name: string };
}

/** The methods that the emulator implements. */
export type Operation = keyof Requests;

/** The response of GetPublicKey. */
export interface PublicKeyResponse {
  name: string;
  pem: string;
  pemCrc32c: Checksum | null;
  algorithm: string;
  protectionLevel: string;
}

/** The response of AsymmetricSign. */
export interface SignResponse {
  name: string;
  signature: Uint8Array;
  signatureCrc32c: Checksum | null;
  verifiedDigestCrc32c: boolean;
  verifiedDataCrc32c: boolean;
  protectionLevel: string;
}

/** Items per page of a list: small, so that tests need several pages. */
const PAGE_SIZE = 2;

/** The template of a key that was created without one. */
const SYMMETRIC = { algorithm: "GOOGLE_SYMMETRIC_ENCRYPTION", protectionLevel: "SOFTWARE" };

/** Returns the CRC32C of the bytes as the service sends it. */
export const checksum = (bytes: Uint8Array): Checksum => ({ value: crc32c(bytes) });

/** Maps each method to the function that handles it. */
export type Methods = { [Name in Operation]: (request: Requests[Name]) => unknown };

/** Returns the methods, which use the keys of this store. */
export function methods(store: KmsStore) {
  return {
    GetPublicKey: ({ name }): PublicKeyResponse => {
      const { fields, publicKey } = enabled(store.version(name));
      if (!publicKey)
        throw new GrpcError(
          status.FAILED_PRECONDITION,
          `${name} has algorithm ${fields.algorithm}, which has no public key.`,
        );
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      const { algorithm, protectionLevel } = fields;
      return { name, pem, pemCrc32c: checksum(Buffer.from(pem)), algorithm, protectionLevel };
    },
    AsymmetricSign: (request): SignResponse => sign(enabled(store.version(request.name)), request),
    GetCryptoKeyVersion: ({ name }) => store.poll(store.version(name)),
    ListCryptoKeyVersions: ({ parent, pageToken }) => {
      const versions = store.key(parent).versions.map((version) => withoutAttestation(store.poll(version)));
      return { ...page("cryptoKeyVersions", versions, pageToken), totalSize: versions.length };
    },
    ListCryptoKeys: ({ parent, pageToken }) => {
      const keys = store.keys(parent).map(({ fields }) => fields);
      return { ...page("cryptoKeys", keys, pageToken), totalSize: keys.length };
    },
    CreateCryptoKey: ({ parent, cryptoKeyId: id, cryptoKey: { purpose, versionTemplate } }) => {
      store.keys(parent);
      const state = purpose === "ASYMMETRIC_SIGN" ? "PENDING_GENERATION" : "ENABLED";
      return store.addKey({ id, purpose, ...(versionTemplate ?? SYMMETRIC), state }).fields;
    },
    CreateCryptoKeyVersion: ({ parent }) => store.addVersion(store.key(parent), { state: "PENDING_GENERATION" }).fields,
    UpdateCryptoKeyVersion: ({ cryptoKeyVersion: { name, state }, updateMask }) => {
      if (updateMask.paths.join() !== "state" || !["ENABLED", "DISABLED"].includes(state))
        throw new GrpcError(status.INVALID_ARGUMENT, "Only state can be updated, to ENABLED or DISABLED.");
      return Object.assign(store.version(name).fields, { state });
    },
    DestroyCryptoKeyVersion: ({ name }) => Object.assign(store.version(name).fields, { state: "DESTROY_SCHEDULED" }),
  } satisfies Methods;
}

function enabled(version: StoredVersion): StoredVersion {
  const { name, state } = version.fields;
  if (state === "ENABLED") return version;
  throw new GrpcError(status.FAILED_PRECONDITION, `${name} is not enabled, current state is: ${state}.`);
}

function sign({ fields, purpose, privateKey }: StoredVersion, request: Requests["AsymmetricSign"]): SignResponse {
  const { name, algorithm, protectionLevel } = fields;
  if (purpose !== "ASYMMETRIC_SIGN" || !privateKey)
    throw new GrpcError(status.FAILED_PRECONDITION, `${name} has purpose ${purpose}, it can't be used for signing.`);
  if (algorithm !== "EC_SIGN_P256_SHA256")
    throw new GrpcError(status.UNIMPLEMENTED, `The emulator doesn't sign with ${algorithm}.`);
  const digest = digestOf(request);
  const signature = signDigest(privateKey, digest);
  return {
    name,
    signature,
    signatureCrc32c: checksum(signature),
    verifiedDigestCrc32c: request.digestCrc32c !== null,
    verifiedDataCrc32c: request.dataCrc32c !== null,
    protectionLevel,
  };
}

function digestOf({ digest, digestCrc32c, data, dataCrc32c }: Requests["AsymmetricSign"]): Uint8Array {
  if (digest && data.length > 0) throw invalid("Only one of digest or data must be set.");
  if (!digest && data.length === 0) throw invalid("One of digest or data must be set.");
  const [bytes, crc] = digest ? [digest.sha256, digestCrc32c] : [data, dataCrc32c];
  if (!bytes) throw invalid(`The digest is ${Object.keys(digest ?? {})[0]}, EC_SIGN_P256_SHA256 takes sha256.`);
  if (digest && bytes.length !== 32) throw invalid(`The digest has ${bytes.length} bytes, sha256 has 32.`);
  if (crc && Number(crc.value) !== crc32c(bytes)) throw invalid("The checksum in field digest_crc32c did not match.");
  return digest ? bytes : createHash("sha256").update(bytes).digest();
}

function invalid(details: string): GrpcError {
  return new GrpcError(status.INVALID_ARGUMENT, details);
}

/** The default view of a list doesn't include the attestation. */
function withoutAttestation({ attestation, ...fields }: VersionFields): Omit<VersionFields, "attestation"> {
  return fields;
}

function page<Field extends string, T>(field: Field, all: readonly T[], pageToken = "") {
  const start = Number(pageToken || 0);
  const end = start + PAGE_SIZE;
  return { [field]: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}
