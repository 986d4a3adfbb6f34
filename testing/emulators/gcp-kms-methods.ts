/** The methods of the Cloud KMS emulator (google/cloud/kms/v1/service.proto): their checks and responses. */
import { createHash } from "node:crypto";
import { crc32c } from "./crc32c.js";
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from "./gcp-kms-algorithms.js";
import type { AsymmetricSignInput, Checksum, Operation, Requests } from "./gcp-kms-requests.js";
import { GrpcError, type KmsStore, type StoredVersion, type VersionFields } from "./gcp-kms-store.js";
import { status } from "./grpc.js";

/** `ChecksummedData`, the public key in the format of the request. */
export interface ChecksummedData {
  data: Buffer;
  crc32cChecksum: Checksum | null;
}

/** The response of GetPublicKey: `pem`, or `publicKey` if the request chose a format. */
export interface PublicKeyResponse {
  name: string;
  pem?: string;
  pemCrc32c?: Checksum | null;
  publicKeyFormat?: string;
  publicKey?: ChecksummedData | null;
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

/** Bytes of `data` that the service signs at most, as in Tink's Cloud KMS integration. */
const MAX_DATA = 64 * 1024;

/** Bytes before the key in the SubjectPublicKeyInfo of an ML-DSA key. */
const SPKI_HEADER = 22;

/** Items per page of a list: small, so that tests need several pages. */
const PAGE_SIZE = 2;

/** Seconds: 30 days, as in a key that was created without `destroy_scheduled_duration`. */
const DESTROY_SCHEDULED_DURATION = 30 * 86_400;

/** The template of a key that was created without one. */
const SYMMETRIC = { algorithm: "GOOGLE_SYMMETRIC_ENCRYPTION", protectionLevel: "SOFTWARE" };

/** Returns the CRC32C of the bytes as the service sends it. */
export const checksum = (bytes: Uint8Array): Checksum => ({ value: crc32c(bytes) });

/** Maps each method to the function that handles it. */
export type Methods = { [Name in Operation]: (request: Requests[Name]) => unknown };

/** Returns the methods, which use the keys of this store. */
export function methods(store: KmsStore) {
  return {
    GetPublicKey: ({ name, publicKeyFormat }): PublicKeyResponse => {
      const { fields, keyPair } = enabled(store.version(name));
      const { algorithm, protectionLevel } = fields;
      if (!keyPair)
        throw new GrpcError(status.FAILED_PRECONDITION, `${name} has algorithm ${algorithm}, which has no public key.`);
      return { name, algorithm, protectionLevel, ...exportPublicKey(keyPair.spki, algorithm, publicKeyFormat) };
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
    TestIamPermissions: ({ resource, permissions }) => {
      store.key(resource);
      return { permissions: permissions.filter((permission) => !store.withheld.has(permission)) };
    },
    UpdateCryptoKeyVersion: ({ cryptoKeyVersion: { name, state }, updateMask }) => {
      if (updateMask.paths.join() !== "state" || !["ENABLED", "DISABLED"].includes(state))
        throw new GrpcError(status.INVALID_ARGUMENT, "Only state can be updated, to ENABLED or DISABLED.");
      return Object.assign(store.version(name).fields, { state });
    },
    DestroyCryptoKeyVersion: ({ name }) => {
      const { fields } = store.version(name);
      if (!["ENABLED", "DISABLED"].includes(fields.state))
        throw new GrpcError(
          status.FAILED_PRECONDITION,
          `${name} can't be destroyed, current state is: ${fields.state}.`,
        );
      const destroyTime = { seconds: String(Math.floor(Date.now() / 1000) + DESTROY_SCHEDULED_DURATION) };
      return Object.assign(fields, { state: "DESTROY_SCHEDULED", destroyTime });
    },
  } satisfies Methods;
}

function enabled(version: StoredVersion): StoredVersion {
  const { name, state } = version.fields;
  if (state === "ENABLED") return version;
  throw new GrpcError(status.FAILED_PRECONDITION, `${name} is not enabled, current state is: ${state}.`);
}

/** The formats of `PublicKeyFormat`. Without a format, the response of a classical key has `pem`. */
function exportPublicKey(spki: Buffer, algorithm: string, format: string): Partial<PublicKeyResponse> {
  const formats = ASYMMETRIC_ALGORITHMS[algorithm]?.formats;
  const pem = pemOf(spki);
  if (format === "PUBLIC_KEY_FORMAT_UNSPECIFIED" && !formats) return { pem, pemCrc32c: checksum(Buffer.from(pem)) };
  if (!(formats ?? ["PEM"]).some((allowed) => allowed === format)) throw invalid(formatError(formats, format));
  const data = format === "PEM" ? Buffer.from(pem) : spki.subarray(SPKI_HEADER);
  return { publicKeyFormat: format, publicKey: { data, crc32cChecksum: checksum(data) } };
}

function formatError(formats: AsymmetricAlgorithm["formats"], format: string): string {
  if (!formats) return `The format ${format} is only supported for PQC algorithms.`;
  return formats.includes("PEM")
    ? "The public key format must be specified for PQC algorithms."
    : "Only NIST_PQC format is supported for PQC algorithms.";
}

/** Returns the key in PEM (RFC 7468 §13). */
export function pemOf(spki: Buffer): string {
  const lines = spki.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PUBLIC KEY-----", ...lines, "-----END PUBLIC KEY-----", ""].join("\n");
}

/** Signs the digest or the data of a request with a version. */
export function sign(version: StoredVersion, request: AsymmetricSignInput): SignResponse {
  const { fields, purpose, keyPair } = version;
  const { name, algorithm, protectionLevel } = fields;
  const row = ASYMMETRIC_ALGORITHMS[algorithm];
  if (purpose !== "ASYMMETRIC_SIGN" || !row)
    throw new GrpcError(status.FAILED_PRECONDITION, `${name} has purpose ${purpose}, it can't be used for signing.`);
  if (!keyPair?.sign) throw new GrpcError(status.UNIMPLEMENTED, `The emulator doesn't sign with ${algorithm}.`);
  const signature = keyPair.sign(request.digest ? digestOf(version, request) : dataOf(row, request));
  return {
    name,
    signature,
    signatureCrc32c: checksum(signature),
    verifiedDigestCrc32c: request.digestCrc32c !== null,
    verifiedDataCrc32c: request.dataCrc32c !== null,
    protectionLevel,
  };
}

/** Tink's Cloud KMS integration sends the data to an external key, not its digest. */
function digestOf({ fields }: StoredVersion, { digest, digestCrc32c, data }: AsymmetricSignInput): Buffer {
  const { input = "data" } = ASYMMETRIC_ALGORITHMS[fields.algorithm] ?? {};
  if (data.length > 0) throw invalid("Only one of digest or data must be set.");
  if (input === "data" || fields.protectionLevel.startsWith("EXTERNAL"))
    throw invalid("This key version signs data, not a digest.");
  const bytes = input === "externalMu" ? undefined : digest?.[input];
  if (!bytes) throw invalid(`The digest is ${digest?.digest}, ${fields.algorithm} takes ${input}.`);
  const { length } = createHash(input).digest();
  if (bytes.length !== length) throw invalid(`The digest has ${bytes.length} bytes, ${input} has ${length}.`);
  checkChecksum("digest", bytes, digestCrc32c);
  return bytes;
}

/** The service hashes the data if the algorithm signs a digest. Empty data is the same as none (proto3). */
function dataOf({ input }: AsymmetricAlgorithm, { data, dataCrc32c }: AsymmetricSignInput): Uint8Array {
  if (data.length === 0) throw invalid("One of digest or data must be set.");
  if (data.length > MAX_DATA) throw invalid(`The data has ${data.length} bytes, the maximum is ${MAX_DATA}.`);
  checkChecksum("data", data, dataCrc32c);
  return input === "data" || input === "externalMu" ? data : createHash(input).update(data).digest();
}

function checkChecksum(field: "digest" | "data", bytes: Uint8Array, crc: Checksum | null): void {
  if (crc && Number(crc.value) !== crc32c(bytes)) throw invalid(`The checksum in field ${field}_crc32c did not match.`);
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
