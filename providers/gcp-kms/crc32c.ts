/** The checksums that Cloud KMS asks for and gives (CRC32C, https://cloud.google.com/kms/docs/data-integrity-guidelines). */
import CRC32C from "crc-32/crc32c.js";
import { SignerError } from "../../src/errors.js";

/** `google.protobuf.Int64Value`, as the SDK gives it. */
export interface ChecksumValue {
  value?: unknown;
}

/** @returns the unsigned 32-bit checksum */
export function crc32c(bytes: Uint8Array): number {
  return CRC32C.buf(bytes) >>> 0;
}

/**
 * Compares what arrived with the checksum that was sent along.
 *
 * @throws {SignerError} code `integrity` if they differ, or if there is no checksum
 */
export function checkChecksum(bytes: Uint8Array, checksum: ChecksumValue | null | undefined, what: string): void {
  if (checksum === null || checksum === undefined)
    throw new SignerError("integrity", `The answer has no CRC32C of the ${what}.`);
  if (Number(checksum.value) !== crc32c(bytes))
    throw new SignerError("integrity", `The ${what} does not match its CRC32C: it was changed on its way.`);
}
