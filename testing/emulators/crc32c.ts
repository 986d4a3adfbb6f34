/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), bit by bit: independent of the implementation under test. */
const REFLECTED_POLYNOMIAL = 0x82f63b78;

/** @returns The unsigned 32-bit checksum: `0xe3069283` for the ASCII digits 1 to 9. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? REFLECTED_POLYNOMIAL : 0);
  }
  return ~crc >>> 0;
}
