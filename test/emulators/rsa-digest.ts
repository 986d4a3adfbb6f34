/** RSA signatures over an existing digest (RFC 8017 §8), as a KMS signs. `node:crypto` can only sign messages. */
import { constants, hash, type KeyObject, privateEncrypt, randomBytes } from "node:crypto";

/** The hash functions of JWS. */
export type RsaHash = "sha256" | "sha384" | "sha512";

/** The DER of a DigestInfo up to the digest (RFC 8017 §9.2, note 1). */
const DIGEST_INFO: Readonly<Record<RsaHash, Buffer>> = {
  sha256: Buffer.from("3031300d060960864801650304020105000420", "hex"),
  sha384: Buffer.from("3041300d060960864801650304020205000430", "hex"),
  sha512: Buffer.from("3051300d060960864801650304020305000440", "hex"),
};
/** The last byte of an encoded message (RFC 8017 §9.1.1). */
const TRAILER = 0xbc;

/** Signs a digest with RSASSA-PKCS1-v1_5. */
export function signPkcs1(key: KeyObject, hashName: RsaHash, digest: Uint8Array): Buffer {
  const digestInfo = Buffer.concat([DIGEST_INFO[hashName], digest]);
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
}

/** Signs a digest with RSASSA-PSS, with MGF1 over the same hash and a salt as long as the digest (RFC 7518 §3.5). */
export function signPss(key: KeyObject, hashName: RsaHash, digest: Uint8Array): Buffer {
  const bytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encodePss(hashName, digest, bytes));
}

/** EMSA-PSS (RFC 8017 §9.1.1) for a modulus whose bits are a multiple of 8. */
function encodePss(hashName: RsaHash, digest: Uint8Array, bytes: number): Buffer {
  const salt = randomBytes(digest.length);
  const h = hash(hashName, Buffer.concat([Buffer.alloc(8), digest, salt]), "buffer");
  const block = Buffer.alloc(bytes - h.length - 1);
  block[block.length - salt.length - 1] = 1;
  block.set(salt, block.length - salt.length);
  const mask = mgf1(hashName, h, block.length);
  for (const [at, byte] of mask.entries()) block[at] = (block[at] ?? 0) ^ byte;
  // The encoded message is one bit shorter than the modulus.
  block[0] = (block[0] ?? 0) & 0x7f;
  return Buffer.concat([block, h, Buffer.of(TRAILER)]);
}

/** RFC 8017 §B.2.1. */
function mgf1(hashName: RsaHash, seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; blocks.length * seed.length < length; counter += 1)
    blocks.push(hash(hashName, Buffer.concat([seed, Buffer.of(0, 0, 0, counter)]), "buffer"));
  return Buffer.concat(blocks).subarray(0, length);
}
