/** The faults of the Cloud KMS emulator. */

import type { Fault } from "./fault-plan.js";
import {
  type ChecksummedData,
  checksum,
  type Operation,
  type PublicKeyResponse,
  pemOf,
  type Requests,
  type SignResponse,
  sign,
} from "./gcp-kms-methods.js";
import { GrpcError, KmsStore, type StoredVersion } from "./gcp-kms-store.js";
import { status } from "./grpc.js";

const PERMISSIONS: Partial<Record<Operation, string>> = {
  GetPublicKey: "cloudkms.cryptoKeyVersions.viewPublicKey",
  AsymmetricSign: "cloudkms.cryptoKeyVersions.useToSign",
  GetCryptoKeyVersion: "cloudkms.cryptoKeyVersions.get",
  ListCryptoKeyVersions: "cloudkms.cryptoKeyVersions.list",
  ListCryptoKeys: "cloudkms.cryptoKeys.list",
  CreateCryptoKey: "cloudkms.cryptoKeys.create",
};

const NO_FORMAT = "PUBLIC_KEY_FORMAT_UNSPECIFIED";

interface FaultContext {
  readonly request: object;
  readonly store: KmsStore;
}

/** Throws if the fault is an error response. */
export function throwIfError(fault: Fault | undefined, operation: Operation): void {
  if (fault === "throttle") throw new GrpcError(status.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric.");
  if (fault === "5xx") throw new GrpcError(status.UNAVAILABLE, "The service is currently unavailable.");
  if (fault === "unauthenticated")
    throw new GrpcError(status.UNAUTHENTICATED, "Request had invalid authentication credentials. Expected OAuth 2.");
  if (fault === "denied") {
    const details = `Permission '${PERMISSIONS[operation]}' denied on resource (or it may not exist).`;
    throw new GrpcError(status.PERMISSION_DENIED, details);
  }
}

/** Throws as Google's fakekms does, which doesn't know the formats of public keys. */
export function throwIfUnknown(fault: Fault | undefined, request: object): void {
  if (fault === "no-formats" && "publicKeyFormat" in request && request.publicKeyFormat !== NO_FORMAT)
    throw new GrpcError(status.UNIMPLEMENTED, "field not supported: public_key_format");
}

/** Damages a request as the network might, before the service reads it. */
export function damageRequest(fault: Fault | undefined, request: object): void {
  if (fault === "corrupt-request" && "digest" in request) flipBit(signedBytes(request as SignRequest));
}

/** Damages a response after the service has produced it. */
export function damageResponse(fault: Fault | undefined, response: unknown, context: FaultContext): unknown {
  if (fault === undefined || typeof response !== "object" || response === null) return response;
  if ("signature" in response) return damageSignature(fault, response as SignResponse, context);
  if ("publicKey" in response) return damagePublicKey(fault, response as PublicKeyResponse, context);
  return fault === "other-name" ? { ...response, name: otherName(response as { name: string }) } : response;
}

type SignRequest = Requests["AsymmetricSign"];

function damageSignature(fault: Fault, response: SignResponse, context: FaultContext): SignResponse {
  const { store } = context;
  const request = context.request as SignRequest;
  const signature = Buffer.from(response.signature);
  const { verifiedDigestCrc32c, verifiedDataCrc32c } = response;
  switch (fault) {
    case "other-key":
      return { ...sign(otherKey(store, request.name), request), name: response.name };
    case "wrong-signature":
      flipBit(signedBytes(request));
      return {
        ...sign(store.version(request.name), { ...request, digestCrc32c: null, dataCrc32c: null }),
        verifiedDigestCrc32c,
        verifiedDataCrc32c,
      };
    case "corrupt-signature":
      return { ...response, signature: flipBit(signature) };
    case "corrupt-crc":
      return { ...response, signatureCrc32c: wrongChecksum(signature) };
    case "missing-crc":
      return { ...response, signatureCrc32c: null };
    case "unverified-digest":
      return { ...response, verifiedDigestCrc32c: false, verifiedDataCrc32c: false };
    case "other-name":
      return { ...response, name: otherName(response) };
    default:
      return response;
  }
}

function damagePublicKey(fault: Fault, response: PublicKeyResponse, { store }: FaultContext): PublicKeyResponse {
  const data = response.publicKey?.data ?? Buffer.alloc(0);
  const withKey = (bytes: Buffer, crc32cChecksum: ChecksummedData["crc32cChecksum"]) => ({
    ...response,
    publicKey: { data: bytes, crc32cChecksum },
  });
  switch (fault) {
    case "other-key": {
      const pem = Buffer.from(pemOf(otherKey(store, response.name).keyPair?.spki ?? Buffer.alloc(0)));
      return withKey(pem, checksum(pem));
    }
    case "corrupt-signature":
      return withKey(flipBit(Buffer.from(data)), checksum(data));
    case "corrupt-crc":
      return withKey(data, wrongChecksum(data));
    case "missing-crc":
      return withKey(data, null);
    case "other-algorithm":
      return { ...response, algorithm: "EC_SIGN_ED25519" };
    case "other-name":
      return { ...response, name: otherName(response) };
    default:
      return response;
  }
}

/** Returns a version of the same algorithm with another key. */
function otherKey(store: KmsStore, name: string): StoredVersion {
  const { fields, keyPair } = store.version(name);
  const key = new KmsStore(store.keyRing).addKey({ algorithm: fields.algorithm });
  for (;;) {
    const version = store.addVersion(key);
    if (!keyPair || !version.keyPair?.spki.equals(keyPair.spki)) return version;
  }
}

function signedBytes({ digest, data }: SignRequest): Buffer {
  return digest?.sha256 ?? digest?.sha384 ?? digest?.sha512 ?? data;
}

function flipBit(bytes: Buffer): Buffer {
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  return bytes;
}

function wrongChecksum(bytes: Uint8Array) {
  return { value: (Number(checksum(bytes).value) + 1) % 2 ** 32 };
}

/** Returns the name of the next version of the same key. */
function otherName({ name }: { name: string }): string {
  return name.replace(/\d+$/, (version) => String(Number(version) + 1));
}
