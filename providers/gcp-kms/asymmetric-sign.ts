/** Signs with one key version, and checks the response. */
import { SignerError } from "../../src/errors.js";
import type { StoreSignature } from "../../src/keystore/key-source.js";
import type { GcpKmsClient, SignRequest } from "./client.js";
import { checkChecksum, crc32c } from "./crc32c.js";
import type { VersionKey } from "./public-key.js";
import { bytesOf, checkResponseName } from "./response.js";

/** The field of the request: the message as `data`, or its digest by a hash function. */
export type SignInput = "data" | "sha256" | "sha384" | "sha512";

/** A key version that signs. */
export interface SigningVersion {
  readonly client: GcpKmsClient;
  readonly name: string;
  readonly kmsAlgorithm: string;
  readonly input: SignInput;
}

/**
 * Bytes of data that the service signs at most. It can't tell empty data from none (proto3). A message that is sent as
 * its digest can have any length.
 */
const MAX_DATA = 64 * 1024;

/** Returns what a version signs. The manager of an external key hashes the message itself. */
export function signInputOf({ algorithm, isExternal }: VersionKey): SignInput {
  return isExternal ? "data" : (algorithm.hash ?? "data");
}

/**
 * Signs a message or a digest, with a checksum of the request and the response.
 *
 * @throws {SignerError} With code `integrity` if the request or the response was damaged; `misconfigured` if the service
 *   can't sign that much data.
 */
export async function asymmetricSign(
  version: SigningVersion,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<StoreSignature> {
  const { client, name, input } = version;
  const response = await client.asymmetricSign(name, toRequest(version, bytes), signal);
  const signature = bytesOf(response.signature);
  checkResponseName(response.name, name);
  const [field, verified] =
    input === "data" ? ["data", response.verifiedDataCrc32c] : ["digest", response.verifiedDigestCrc32c];
  if (verified !== true)
    throw new SignerError("integrity", `The service didn't verify the CRC32C of the ${field} that it signed.`);
  checkChecksum(signature, response.signatureCrc32c, "signature");
  return { signature, form: "der", keyRef: String(response.name) };
}

function toRequest({ input, kmsAlgorithm }: SigningVersion, bytes: Uint8Array): SignRequest {
  if (input !== "data") return { digest: { [input]: bytes }, digestCrc32c: { value: crc32c(bytes) } };
  if (bytes.length > 0 && bytes.length <= MAX_DATA) return { data: bytes, dataCrc32c: { value: crc32c(bytes) } };
  const limit = `Cloud KMS signs messages of 1 to ${MAX_DATA} bytes with this key version (${kmsAlgorithm})`;
  throw new SignerError("misconfigured", `${limit}, but this one has ${bytes.length}. Nothing was sent.`);
}
