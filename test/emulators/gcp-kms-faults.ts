/** What the Cloud KMS emulator does wrong when it is told to. */
import { createHash } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { signDigest } from "./ecdsa-digest.js";
import type { Fault } from "./fault-plan.js";
import { checksum, type Operation, type PublicKeyAnswer, type Requests, type SignAnswer } from "./gcp-kms-answers.js";
import { Refusal, type StoredVersion } from "./gcp-kms-store.js";

const PERMISSIONS: Partial<Record<Operation, string>> = {
  GetPublicKey: "cloudkms.cryptoKeyVersions.viewPublicKey",
  AsymmetricSign: "cloudkms.cryptoKeyVersions.useToSign",
  GetCryptoKeyVersion: "cloudkms.cryptoKeyVersions.get",
  ListCryptoKeyVersions: "cloudkms.cryptoKeyVersions.list",
  ListCryptoKeys: "cloudkms.cryptoKeys.list",
  CreateCryptoKey: "cloudkms.cryptoKeys.create",
};

/** What an answer is spoiled with. */
interface Means {
  readonly request: object;
  readonly otherKey: StoredVersion;
}

/** Answers with an error where the fault is one. */
export function refuse(fault: Fault | undefined, operation: Operation): void {
  if (fault === "throttle") throw new Refusal(status.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric.");
  if (fault === "5xx") throw new Refusal(status.UNAVAILABLE, "The service is currently unavailable.");
  if (fault === "denied") {
    const words = `Permission '${PERMISSIONS[operation]}' denied on resource (or it may not exist).`;
    throw new Refusal(status.PERMISSION_DENIED, words);
  }
}

/** What the network does to a request before the service reads it. */
export function damageRequest(fault: Fault | undefined, request: object): void {
  if (fault !== "corrupt-request" || !("digest" in request)) return;
  const { sha256 } = request.digest as { sha256: Buffer };
  flip(sha256);
}

/** Spoils an answer after the service has made it. */
export function damageAnswer(fault: Fault | undefined, answer: unknown, means: Means): unknown {
  if (fault === undefined || typeof answer !== "object" || answer === null) return answer;
  if ("signature" in answer) return damageSignature(fault, answer as SignAnswer, means);
  if ("pem" in answer) return damagePublicKey(fault, answer as PublicKeyAnswer, means);
  return fault === "other-name" ? { ...answer, name: otherName(answer as { name: string }) } : answer;
}

function damageSignature(fault: Fault, answer: SignAnswer, { request, otherKey }: Means): SignAnswer {
  const signature = Buffer.from(answer.signature);
  const signedByOther = (digest: Uint8Array) => {
    if (!otherKey.privateKey) throw new Error("the other key has no private half");
    const other = signDigest(otherKey.privateKey, digest);
    return { ...answer, signature: other, signatureCrc32c: checksum(other) };
  };
  switch (fault) {
    case "other-key":
      return signedByOther((request as Requests["AsymmetricSign"]).digest?.sha256 ?? Buffer.alloc(0));
    case "wrong-signature":
      return signedByOther(createHash("sha256").update("another message").digest());
    case "corrupt-signature":
      return { ...answer, signature: flip(signature) };
    case "corrupt-crc":
      return { ...answer, signatureCrc32c: wrong(signature) };
    case "missing-crc":
      return { ...answer, signatureCrc32c: null };
    case "unverified-digest":
      return { ...answer, verifiedDigestCrc32c: false };
    case "other-name":
      return { ...answer, name: otherName(answer) };
    default:
      return answer;
  }
}

function damagePublicKey(fault: Fault, answer: PublicKeyAnswer, { otherKey: { publicKey } }: Means): PublicKeyAnswer {
  const bytes = Buffer.from(answer.pem);
  switch (fault) {
    case "other-key": {
      const pem = publicKey?.export({ type: "spki", format: "pem" }).toString() ?? "";
      return { ...answer, pem, pemCrc32c: checksum(Buffer.from(pem)) };
    }
    case "corrupt-signature":
      return { ...answer, pem: flip(bytes).toString("latin1") };
    case "corrupt-crc":
      return { ...answer, pemCrc32c: wrong(bytes) };
    case "missing-crc":
      return { ...answer, pemCrc32c: null };
    case "other-name":
      return { ...answer, name: otherName(answer) };
    default:
      return answer;
  }
}

function flip(bytes: Buffer): Buffer {
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  return bytes;
}

function wrong(bytes: Uint8Array) {
  return { value: (Number(checksum(bytes).value) + 1) % 2 ** 32 };
}

/** The next version of the same key. */
function otherName({ name }: { name: string }): string {
  return name.replace(/\d+$/, (version) => String(Number(version) + 1));
}
