/** ECDSA over an existing digest (FIPS 186-5 §6.4.1), as a KMS signs. `node:crypto` can only sign messages. */
import { createECDH, type KeyObject } from "node:crypto";

/** The order of each curve (SEC 2 §2), and the bytes of a coordinate, which are also those of the digest at most. */
const CURVES: Readonly<Record<string, { order: bigint; bytes: number }>> = {
  prime256v1: { order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, bytes: 32 },
  secp384r1: {
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    bytes: 48,
  },
  secp521r1: {
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    bytes: 66,
  },
};

/**
 * Signs a digest. Doesn't use the code under test.
 *
 * @param privateKey - A key on P-256, P-384 or P-521.
 * @param digest - Not longer than the order of the curve.
 * @returns `SEQUENCE { r INTEGER, s INTEGER }` in DER.
 */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Uint8Array {
  const { namedCurve = "" } = privateKey.asymmetricKeyDetails ?? {};
  const { d } = privateKey.export({ format: "jwk" });
  const curve = CURVES[namedCurve];
  if (d === undefined || curve === undefined || digest.length > curve.bytes)
    throw new Error(`signDigest can't sign ${digest.length} bytes with a key on ${namedCurve}.`);
  const { order, bytes } = curve;
  const secret = integerOf(Buffer.from(d, "base64url"));
  for (;;) {
    // An ephemeral ECDH key pair is a nonce k and the point k·G, computed by OpenSSL.
    const nonce = createECDH(namedCurve);
    const r = integerOf(nonce.generateKeys().subarray(1, 1 + bytes)) % order;
    const s = (inverse(integerOf(nonce.getPrivateKey()), order) * (integerOf(digest) + r * secret)) % order;
    if (r !== 0n && s !== 0n) return sequence(r, s);
  }
}

const integerOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** Returns the inverse modulo the order (extended Euclidean algorithm). */
function inverse(value: bigint, order: bigint): bigint {
  let [a, b, x, y] = [value, order, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % order) + order) % order;
}

/** Both integers are below 2^521, so each of their lengths fits in one byte. That of the sequence may need two. */
function sequence(r: bigint, s: bigint): Uint8Array {
  const value = Buffer.concat([integer(r), integer(s)]);
  const length = value.length < 0x80 ? [value.length] : [0x81, value.length];
  return Buffer.concat([Buffer.of(0x30, ...length), value]);
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  const signed = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
  return Buffer.concat([Buffer.of(0x02, signed.length), signed]);
}
