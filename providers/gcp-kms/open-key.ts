/** One key version in Cloud KMS, pinned by its full name; each answer is checked from end to end before it counts. */
import { SignerError } from "../../src/errors.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import { GcpKmsClient, type GcpKmsClientOptions } from "./client.js";
import { checkChecksum, crc32c } from "./crc32c.js";
import { readFacts } from "./evidence.js";
import { checkName } from "./names.js";
import { checkAlgorithm, newestVersion, onUsableVersion } from "./versions.js";

/**
 * Finds the version and its public key.
 *
 * @param name - of a key version, or of a key, whose newest enabled version is then taken
 * @throws {SignerError} code of what was not found, or may not be used
 */
export async function openKey(name: string, access: GcpKmsClientOptions, { signal }: OpenKeyOptions): Promise<OpenKey> {
  const kms = await GcpKmsClient.connect(access);
  try {
    const version = checkName(name, ["key", "key version"]) === "key" ? await newestVersion(kms, name, signal) : name;
    const publicKey = await onUsableVersion(kms, version, signal, () =>
      retryOnIntegrityError(() => fetchPublicKey(kms, version, signal)),
    );
    return {
      publicKey,
      keyRef: version,
      signDigest: (digest, use) =>
        onUsableVersion(kms, version, use.signal, () =>
          retryOnIntegrityError(() => sign(kms, version, digest, use.signal)),
        ),
      describe: async (use) => {
        const found = await kms.getVersion(version, use.signal);
        checkAnswersName(found.name, version);
        return readFacts(found);
      },
      close: () => kms.close(),
    };
  } catch (error) {
    await kms.close();
    throw error;
  }
}

/** @returns SubjectPublicKeyInfo in DER */
async function fetchPublicKey(kms: GcpKmsClient, name: string, signal: AbortSignal): Promise<Uint8Array> {
  const answer = await kms.getPublicKey(name, signal);
  const pem = answer.pem ?? "";
  checkAnswersName(answer.name, name);
  checkChecksum(Buffer.from(pem), answer.pemCrc32c, "public key");
  checkAlgorithm(answer.algorithm);
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
}

async function sign(kms: GcpKmsClient, name: string, digest: Uint8Array, signal: AbortSignal): Promise<StoreSignature> {
  const request = { digest: { sha256: digest }, digestCrc32c: { value: crc32c(digest) } };
  const answer = await kms.asymmetricSign(name, request, signal);
  const signature = bytesOf(answer.signature);
  checkAnswersName(answer.name, name);
  if (answer.verifiedDigestCrc32c !== true)
    throw new SignerError("integrity", "The service did not check the CRC32C of the digest that it signed.");
  checkChecksum(signature, answer.signatureCrc32c, "signature");
  return { signature, form: "der", keyRef: String(answer.name) };
}

/** A damaged answer may be an accident on the way. A second one is not, and neither becomes a proof. */
async function retryOnIntegrityError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignerError && error.code === "integrity") return work();
    throw error;
  }
}

function checkAnswersName(found: string | null | undefined, wanted: string): void {
  if (found !== wanted)
    throw new SignerError("integrity", `The answer is about ${found || "no key"}, but ${wanted} was asked for.`);
}

/** The SDK gives bytes as a Buffer over gRPC, and as base64 over REST. */
export function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array {
  return typeof value === "string" ? Buffer.from(value, "base64") : (value ?? new Uint8Array());
}
