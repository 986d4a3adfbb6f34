/**
 * CRC32C checksums of Cloud KMS requests and responses (https://cloud.google.com/kms/docs/data-integrity-guidelines).
 */
import CRC32C from "crc-32/crc32c.js";
import { SignerError } from "../../src/errors.js";

/** `google.protobuf.Int64Value`, as the SDK returns it. */
export interface ChecksumValue {
  value?: unknown;
}

/** Returns the unsigned 32-bit checksum. */
export function crc32c(bytes: Uint8Array): number {
  return CRC32C.buf(bytes) >>> 0;
}

/**
 * Compares received bytes with their checksum.
 *
 * @param what - Names the bytes in errors, such as `signature`.
 * @throws {SignerError} With code `integrity` if they differ, or if the checksum is missing.
 */
export function checkChecksum(bytes: Uint8Array, checksum: ChecksumValue | null | undefined, what: string): void {
  if (checksum === null || checksum === undefined)
    throw new SignerError("integrity", `The response doesn't have a CRC32C for the ${what}.`);
  if (Number(checksum.value) !== crc32c(bytes))
    throw new SignerError("integrity", `The ${what} doesn't match its CRC32C, so it was damaged in transit.`);
}
