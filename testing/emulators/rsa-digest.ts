/** RSA signatures over an existing digest (RFC 8017 §8), as a KMS signs. `node:crypto` can only sign messages. */
import { constants, createHash, type KeyObject, privateEncrypt, randomBytes } from "node:crypto";

/** The hash functions of the JWS algorithms for RSA keys. */
export type RsaHash = "sha256" | "sha384" | "sha512";

/** `DigestInfo` without the digest (RFC 8017 §9.2, note 1). */
const DIGEST_INFO: Readonly<Record<RsaHash, string>> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

/**
 * Signs a digest with RSASSA-PKCS1-v1_5. Doesn't use the code under test.
 *
 * @returns As many bytes as the modulus.
 */
export function signPkcs1(key: KeyObject, hash: RsaHash, digest: Uint8Array): Uint8Array {
  const digestInfo = Buffer.concat([Buffer.from(DIGEST_INFO[hash], "hex"), digest]);
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
}

/**
 * Signs a digest with RSASSA-PSS, with MGF1 over the same hash. Doesn't use the code under test.
 *
 * @param saltLength - Bytes. Default: as many as the digest, as JWS needs (RFC 7518 §3.5).
 * @returns As many bytes as the modulus.
 */
export function signPss(key: KeyObject, hash: RsaHash, digest: Uint8Array, saltLength = digest.length): Uint8Array {
  const size = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const salt = randomBytes(saltLength);
  const seed = createHash(hash)
    .update(Buffer.concat([Buffer.alloc(8), digest, salt]))
    .digest();
  const padding = Buffer.alloc(size - 2 - seed.length - saltLength);
  const block = Buffer.concat([padding, Buffer.of(1), salt]);
  const mask = mgf1(seed, block.length, hash);
  const masked = block.map((byte, at) => byte ^ (mask[at] ?? 0));
  // The encoded message has one bit less than the modulus (RFC 8017 §9.1.1, step 11).
  masked[0] = (masked[0] ?? 0) & 0x7f;
  const encoded = Buffer.concat([masked, seed, Buffer.of(0xbc)]);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

/** Returns the largest salt that fits the key, which Go and Vault use by default (RFC 8017 §9.1.1, step 3). */
export function longestSalt(key: KeyObject, digestLength: number): number {
  return (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - 2 - digestLength;
}

/** The mask generation function (RFC 8017 appendix B.2.1). */
function mgf1(seed: Uint8Array, length: number, hash: RsaHash): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; Buffer.concat(blocks).length < length; counter++) {
    const suffix = Buffer.alloc(4);
    suffix.writeUInt32BE(counter);
    blocks.push(createHash(hash).update(seed).update(suffix).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}
