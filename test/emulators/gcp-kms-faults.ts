/** The faults of the Cloud KMS emulator. */
import { createHash } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { signDigest } from "./ecdsa-digest.js";
import type { Fault } from "./fault-plan.js";
import {
  checksum,
  type Operation,
  type PublicKeyResponse,
  type Requests,
  type SignResponse,
} from "./gcp-kms-methods.js";
import { GrpcError, type StoredVersion } from "./gcp-kms-store.js";

const PERMISSIONS: Partial<Record<Operation, string>> = {
  GetPublicKey: "cloudkms.cryptoKeyVersions.viewPublicKey",
  AsymmetricSign: "cloudkms.cryptoKeyVersions.useToSign",
  GetCryptoKeyVersion: "cloudkms.cryptoKeyVersions.get",
  ListCryptoKeyVersions: "cloudkms.cryptoKeyVersions.list",
  ListCryptoKeys: "cloudkms.cryptoKeys.list",
  CreateCryptoKey: "cloudkms.cryptoKeys.create",
};

interface FaultContext {
  readonly request: object;
  readonly otherKey: StoredVersion;
}

/** Throws if the fault is an error response. */
export function throwIfError(fault: Fault | undefined, operation: Operation): void {
  if (fault === "throttle") throw new GrpcError(status.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric.");
  if (fault === "5xx") throw new GrpcError(status.UNAVAILABLE, "The service is currently unavailable.");
  if (fault === "denied") {
    const details = `Permission '${PERMISSIONS[operation]}' denied on resource (or it may not exist).`;
    throw new GrpcError(status.PERMISSION_DENIED, details);
  }
}

/** Damages a request as the network might, before the service reads it. */
export function damageRequest(fault: Fault | undefined, request: object): void {
  if (fault !== "corrupt-request" || !("digest" in request)) return;
  const { sha256 } = request.digest as { sha256: Buffer };
  flipBit(sha256);
}

/** Damages a response after the service has produced it. */
export function damageResponse(fault: Fault | undefined, response: unknown, context: FaultContext): unknown {
  if (fault === undefined || typeof response !== "object" || response === null) return response;
  if ("signature" in response) return damageSignature(fault, response as SignResponse, context);
  if ("pem" in response) return damagePublicKey(fault, response as PublicKeyResponse, context);
  return fault === "other-name" ? { ...response, name: otherName(response as { name: string }) } : response;
}

function damageSignature(fault: Fault, response: SignResponse, { request, otherKey }: FaultContext): SignResponse {
  const signature = Buffer.from(response.signature);
  const signedByOther = (digest: Uint8Array) => {
    if (!otherKey.privateKey) throw new Error("The other key doesn't have a private key.");
    const other = signDigest(otherKey.privateKey, digest);
    return { ...response, signature: other, signatureCrc32c: checksum(other) };
  };
  switch (fault) {
    case "other-key":
      return signedByOther((request as Requests["AsymmetricSign"]).digest?.sha256 ?? Buffer.alloc(0));
    case "wrong-signature":
      return signedByOther(createHash("sha256").update("another message").digest());
    case "corrupt-signature":
      return { ...response, signature: flipBit(signature) };
    case "corrupt-crc":
      return { ...response, signatureCrc32c: wrongChecksum(signature) };
    case "missing-crc":
      return { ...response, signatureCrc32c: null };
    case "unverified-digest":
      return { ...response, verifiedDigestCrc32c: false };
    case "other-name":
      return { ...response, name: otherName(response) };
    default:
      return response;
  }
}

function damagePublicKey(fault: Fault, response: PublicKeyResponse, { otherKey }: FaultContext): PublicKeyResponse {
  const bytes = Buffer.from(response.pem);
  switch (fault) {
    case "other-key": {
      const pem = otherKey.publicKey?.export({ type: "spki", format: "pem" }).toString() ?? "";
      return { ...response, pem, pemCrc32c: checksum(Buffer.from(pem)) };
    }
    case "corrupt-signature":
      return { ...response, pem: flipBit(bytes).toString("latin1") };
    case "corrupt-crc":
      return { ...response, pemCrc32c: wrongChecksum(bytes) };
    case "missing-crc":
      return { ...response, pemCrc32c: null };
    case "other-name":
      return { ...response, name: otherName(response) };
    default:
      return response;
  }
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
