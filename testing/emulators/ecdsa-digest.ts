/** ECDSA over an existing digest (FIPS 186-5 §6.4.1), as a KMS signs. `node:crypto` can only sign messages. */
import { createECDH, type KeyObject } from "node:crypto";

interface Curve {
  readonly order: bigint;
  /** Bytes of a coordinate. */
  readonly size: number;
}

/** By the name of the curve in `node:crypto` (SEC 2 §2). */
const CURVES: Readonly<Record<string, Curve>> = {
  prime256v1: { order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, size: 32 },
  secp384r1: {
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    size: 48,
  },
  secp521r1: {
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    size: 66,
  },
};

/**
 * Signs a digest. Doesn't use the code under test.
 *
 * @param privateKey - A key on P-256, P-384 or P-521.
 * @param digest - At most as many bytes as a coordinate of the curve.
 * @returns `SEQUENCE { r INTEGER, s INTEGER }` in DER.
 */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Uint8Array {
  const { d } = privateKey.export({ format: "jwk" });
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? "";
  const { order, size } = CURVES[curve] ?? {};
  if (d === undefined || order === undefined || size === undefined || digest.length > size)
    throw new Error(
      "signDigest needs a P-256, P-384 or P-521 private key, and a digest that isn't longer than the curve.",
    );
  const secret = integerOf(Buffer.from(d, "base64url"));
  for (;;) {
    // An ephemeral ECDH key pair is a nonce k and the point k·G, computed by OpenSSL.
    const nonce = createECDH(curve);
    const r = integerOf(nonce.generateKeys().subarray(1, 1 + size)) % order;
    const k = integerOf(nonce.getPrivateKey());
    const s = (inverse(k, order) * (integerOf(digest) + r * secret)) % order;
    if (r !== 0n && s !== 0n) return tagged(0x30, Buffer.concat([integer(r), integer(s)]));
  }
}

const integerOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** Returns the inverse modulo the order (extended Euclidean algorithm). */
function inverse(value: bigint, order: bigint): bigint {
  let [a, b, x, y] = [value, order, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % order) + order) % order;
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return tagged(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]));
}

/** A value of at most 255 bytes: from 128 bytes, as for P-521, the length has two bytes (X.690 §8.1.3). */
function tagged(tag: number, value: Buffer): Buffer {
  const length = value.length < 0x80 ? [value.length] : [0x81, value.length];
  return Buffer.concat([Buffer.of(tag, ...length), value]);
}
