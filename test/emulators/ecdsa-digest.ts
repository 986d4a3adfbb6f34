/** ECDSA on P-256 over an existing digest (FIPS 186-5 §6.4.1), as a KMS signs. `node:crypto` can only sign messages. */
import { createECDH, type KeyObject } from "node:crypto";

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const COORDINATE = 32;

/**
 * Signs a digest. Doesn't use the code under test.
 *
 * @param privateKey - A key on P-256.
 * @param digest - 32 bytes.
 * @returns `SEQUENCE { r INTEGER, s INTEGER }` in DER.
 */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Uint8Array {
  const d = privateKey.export({ format: "jwk" }).d;
  if (d === undefined || privateKey.asymmetricKeyDetails?.namedCurve !== "prime256v1" || digest.length !== COORDINATE)
    throw new Error("signDigest needs a P-256 private key and a digest of 32 bytes.");
  const secret = integerOf(Buffer.from(d, "base64url"));
  for (;;) {
    // An ephemeral ECDH key pair is a nonce k and the point k·G, computed by OpenSSL.
    const nonce = createECDH("prime256v1");
    const r = integerOf(nonce.generateKeys().subarray(1, 1 + COORDINATE)) % ORDER;
    const s = (inverse(integerOf(nonce.getPrivateKey())) * (integerOf(digest) + r * secret)) % ORDER;
    if (r !== 0n && s !== 0n) return sequence(r, s);
  }
}

const integerOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** Returns the inverse modulo the order (extended Euclidean algorithm). */
function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value, ORDER, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % ORDER) + ORDER) % ORDER;
}

/** Both integers are below 2^256, so each length fits in one byte. */
function sequence(r: bigint, s: bigint): Uint8Array {
  const value = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.of(0x30, value.length), value]);
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  const signed = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
  return Buffer.concat([Buffer.of(0x02, signed.length), signed]);
}
