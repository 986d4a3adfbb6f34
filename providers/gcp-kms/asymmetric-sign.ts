/** Signs with one key version, and checks the response. */
import { hash } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import type { OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import type { GcpKmsClient, SignRequest } from "./client.js";
import { checkChecksum, crc32c } from "./crc32c.js";
import type { VersionKey } from "./public-key.js";
import { bytesOf, checkResponseName } from "./response.js";

/** A key version that signs. */
export interface SigningVersion {
  readonly client: GcpKmsClient;
  readonly name: string;
  readonly key: VersionKey;
}

/**
 * Bytes of data that the service signs at most. It can't tell empty data from none (proto3). A message that is sent as
 * its digest can have any length.
 */
const MAX_DATA = 64 * 1024;

/**
 * Signs a message, as itself or as its digest, with a checksum of the request and the response. The manager of an external
 * key hashes the message itself.
 *
 * @throws {SignerError} With code `integrity` if the request or the response was damaged; `misconfigured` if the service
 *   can't sign that much data.
 */
export async function asymmetricSign(
  { client, name, key }: SigningVersion,
  message: Uint8Array,
  options: OpenKeyOptions,
): Promise<StoreSignature> {
  const { hash: digestName } = key.algorithm;
  const sendsDigest = digestName !== undefined && !key.isExternal;
  const request = sendsDigest ? digestRequest(digestName, message) : dataRequest(key, message);
  const response = await client.asymmetricSign(name, request, options);
  const signature = bytesOf(response.signature);
  checkResponseName(response.name, name);
  const [field, verified] = sendsDigest
    ? ["digest", response.verifiedDigestCrc32c]
    : ["data", response.verifiedDataCrc32c];
  if (verified !== true)
    throw new SignerError("integrity", `The service didn't verify the CRC32C of the ${field} that it signed.`);
  checkChecksum(signature, response.signatureCrc32c, "signature");
  return { signature, form: "der", keyRef: String(response.name) };
}

function digestRequest(name: "sha256" | "sha384" | "sha512", message: Uint8Array): SignRequest {
  const digest = hash(name, message, "buffer");
  return { digest: { [name]: digest }, digestCrc32c: { value: crc32c(digest) } };
}

function dataRequest({ kmsAlgorithm }: VersionKey, data: Uint8Array): SignRequest {
  if (data.length > 0 && data.length <= MAX_DATA) return { data, dataCrc32c: { value: crc32c(data) } };
  const limit = `Cloud KMS signs messages of 1 to ${MAX_DATA} bytes with this key version (${kmsAlgorithm})`;
  throw new SignerError("misconfigured", `${limit}, but this one has ${data.length}. Nothing was sent.`);
}
