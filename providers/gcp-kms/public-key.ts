/** Gets the public key of a key version, and checks it. */
import type { Algorithm } from "../../src/jose/algorithms.js";
import { importPublicKey, type PublicJwk } from "../../src/jose/public-key.js";
import { jwsAlgorithmOf } from "./algorithms.js";
import type { GcpKmsClient, PublicKeyResponse } from "./client.js";
import { type ChecksumValue, checkChecksum } from "./crc32c.js";
import { bytesOf, checkResponseName } from "./response.js";

/** The public key of a version, and what decides how it signs. */
export interface VersionKey {
  readonly jwk: PublicJwk;
  readonly algorithm: Algorithm;
  /** Cloud KMS's name of the algorithm, for errors. */
  readonly kmsAlgorithm: string;
  /** Whether the key is in an external key manager. */
  readonly isExternal: boolean;
  /** Whether this comes from the caller's option `publicKey`, and the service hasn't confirmed it. */
  readonly isAssumed?: boolean;
}

/**
 * Gets the public key of a version.
 *
 * @throws {SignerError} With code `integrity` if the response is damaged, or about another version; `wrong-key` if the
 *   version doesn't have a JWS algorithm.
 */
export async function fetchPublicKey(client: GcpKmsClient, name: string, signal: AbortSignal): Promise<VersionKey> {
  const response = await client.getPublicKey(name, signal);
  const [pem, checksum] = pemOf(response);
  checkResponseName(response.name, name);
  checkChecksum(pem, checksum, "public key");
  const algorithm = jwsAlgorithmOf(response.algorithm);
  const spki = Buffer.from(pem.toString().replace(/-----[^-]+-----/g, ""), "base64");
  const { jwk } = importPublicKey(spki, { allowed: [algorithm.alg] });
  return { jwk, algorithm, kmsAlgorithm: String(response.algorithm), isExternal: isExternal(response) };
}

/** The service returns the requested format in `publicKey`. An emulator may only know the older `pem`. */
function pemOf({ publicKey, pem, pemCrc32c }: PublicKeyResponse): [Buffer, ChecksumValue | null | undefined] {
  if (publicKey?.data) return [Buffer.from(bytesOf(publicKey.data)), publicKey.crc32cChecksum];
  return [Buffer.from(pem ?? ""), pemCrc32c];
}

function isExternal({ protectionLevel }: PublicKeyResponse): boolean {
  return protectionLevel === "EXTERNAL" || protectionLevel === "EXTERNAL_VPC";
}
