/** Opens one key version in Cloud KMS, pinned by its full name. Each response is validated before it is used. */
import { SignerError } from "../../src/errors.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import { GcpKmsClient, type GcpKmsClientOptions, type PublicKeyResponse } from "./client.js";
import { type ChecksumValue, checkChecksum, crc32c } from "./crc32c.js";
import { readFacts } from "./evidence.js";
import { checkResourceName } from "./resource-name.js";
import { checkAlgorithm, newestVersion, withUsableVersion } from "./versions.js";

/**
 * Connects, and gets the version and its public key.
 *
 * @param name - The name of a key version, or of a key, which stands for its newest enabled version.
 * @throws {SignerError} If the key version doesn't exist, can't be used, or can't sign ES256.
 */
export async function openKey(
  name: string,
  clientOptions: GcpKmsClientOptions,
  { signal }: OpenKeyOptions,
): Promise<OpenKey> {
  const client = await GcpKmsClient.connect(clientOptions);
  try {
    const version =
      checkResourceName(name, ["key", "key version"]) === "key" ? await newestVersion(client, name, signal) : name;
    const publicKey = await withUsableVersion(client, version, signal, () =>
      retryOnIntegrityError(() => fetchPublicKey(client, version, signal)),
    );
    return {
      publicKey,
      keyRef: version,
      signDigest: (digest, options) =>
        withUsableVersion(client, version, options.signal, () =>
          retryOnIntegrityError(() => sign(client, version, digest, options.signal)),
        ),
      describe: async (options) => {
        const response = await client.getVersion(version, options.signal);
        checkResponseName(response.name, version);
        return readFacts(response);
      },
      close: () => client.close(),
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Returns the SubjectPublicKeyInfo in DER. */
async function fetchPublicKey(client: GcpKmsClient, name: string, signal: AbortSignal): Promise<Uint8Array> {
  const response = await client.getPublicKey(name, signal);
  const [pem, checksum] = pemOf(response);
  checkResponseName(response.name, name);
  checkChecksum(pem, checksum, "public key");
  checkAlgorithm(response.algorithm);
  return Buffer.from(pem.toString().replace(/-----[^-]+-----/g, ""), "base64");
}

/** The service returns the requested format in `publicKey`. An emulator may know only the older `pem`. */
function pemOf({ publicKey, pem, pemCrc32c }: PublicKeyResponse): [Buffer, ChecksumValue | null | undefined] {
  if (publicKey?.data) return [Buffer.from(bytesOf(publicKey.data)), publicKey.crc32cChecksum];
  return [Buffer.from(pem ?? ""), pemCrc32c];
}

async function sign(
  client: GcpKmsClient,
  name: string,
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<StoreSignature> {
  const request = { digest: { sha256: digest }, digestCrc32c: { value: crc32c(digest) } };
  const response = await client.asymmetricSign(name, request, signal);
  const signature = bytesOf(response.signature);
  checkResponseName(response.name, name);
  if (response.verifiedDigestCrc32c !== true)
    throw new SignerError("integrity", "The service didn't verify the CRC32C of the digest that it signed.");
  checkChecksum(signature, response.signatureCrc32c, "signature");
  return { signature, form: "der", keyRef: String(response.name) };
}

/** Repeats the work once: a single damaged response can be an accident. Damaged responses are never used. */
async function retryOnIntegrityError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignerError && error.code === "integrity") return work();
    throw error;
  }
}

function checkResponseName(name: string | null | undefined, expected: string): void {
  if (name !== expected)
    throw new SignerError("integrity", `The response is for ${name || "no key version"} instead of ${expected}.`);
}

/** The SDK returns bytes as a Buffer over gRPC, and as base64 over REST. */
function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array {
  return typeof value === "string" ? Buffer.from(value, "base64") : (value ?? new Uint8Array());
}
