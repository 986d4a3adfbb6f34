/**
 * Public keys with explicit curve parameters (RFC 3279 §2.3.5), as OpenSSL providers write them: they are read if all
 * parameters are those of the named curve, and rejected otherwise (CVE-2020-0601).
 */
import { createECDH, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type EcAlgorithm } from "../../../src/jose/algorithms.js";
import { importPublicKey, type PublicJwk } from "../../../src/jose/public-key.js";

const curves = ALGORITHMS.filter((row) => row.kty === "EC").map((row): [string, EcAlgorithm] => [row.crv, row]);
const wrongKey = expect.objectContaining({ name: "SignerError", code: "wrong-key" });

/** The parameters p and b (FIPS 186-4 §D.1.2); a is p - 3, and the generator comes from `createECDH`. */
const PARAMETERS: Readonly<Record<string, { p: string; b: string }>> = {
  "P-256": {
    p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
  },
  "P-384": {
    p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
  },
  "P-521": {
    p: `01${"ff".repeat(65)}`,
    b: "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
  },
};

const length = (n: number) => (n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff]);
const tlv = (tag: number, ...parts: Uint8Array[]) => {
  const value = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag, ...length(value.length)), value]);
};
const unsigned = (hex: string) => {
  const digits = Buffer.from(hex, "hex");
  return tlv(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]));
};
const hexOf = (value: bigint, bytes: number) => value.toString(16).padStart(2 * bytes, "0");

interface Curve {
  readonly p: string;
  readonly a: string;
  readonly b: string;
  readonly generator: string;
  readonly order: string;
  readonly cofactor?: string;
}

/** SubjectPublicKeyInfo with these parameters. */
function spki({ p, a, b, generator, order, cofactor }: Curve, point: Uint8Array): Buffer {
  const field = tlv(0x30, Buffer.from("06072a8648ce3d0101", "hex"), unsigned(p));
  const curve = tlv(0x30, tlv(0x04, Buffer.from(a, "hex")), tlv(0x04, Buffer.from(b, "hex")));
  const numbers = [unsigned(order), ...(cofactor === undefined ? [] : [unsigned(cofactor)])];
  const parameters = tlv(0x30, unsigned("01"), field, curve, tlv(0x04, Buffer.from(generator, "hex")), ...numbers);
  const algorithm = tlv(0x30, Buffer.from("06072a8648ce3d0201", "hex"), parameters);
  return tlv(0x30, algorithm, tlv(0x03, Buffer.of(0), point));
}

describe.each(curves)("explicit parameters of %s", (crv, row) => {
  const { coordinateBytes, namedCurve, alg } = row;
  const { p = "", b = "" } = PARAMETERS[crv] ?? {};
  const ecdh = createECDH(namedCurve);
  ecdh.setPrivateKey(Buffer.alloc(coordinateBytes).fill(1, coordinateBytes - 1));
  const right: Curve = {
    p,
    a: hexOf(BigInt(`0x${p}`) - 3n, coordinateBytes),
    b,
    generator: ecdh.getPublicKey("hex"),
    order: row.order.toString("hex"),
    cofactor: "01",
  };
  const newPoint = () => createECDH(namedCurve).generateKeys();
  const jwkOf = (point: Buffer): PublicJwk => {
    const coordinates = [point.subarray(1, 1 + coordinateBytes), point.subarray(1 + coordinateBytes)];
    const [x = "", y = ""] = coordinates.map((half) => half.toString("base64url"));
    return { kty: "EC", crv, x, y, alg };
  };

  it("are read as the named curve, with and without cofactor, and with a compressed generator", () => {
    const { cofactor: _, ...withoutCofactor } = right;
    const compressed = { ...right, generator: ecdh.getPublicKey("hex", "compressed") };
    for (const curve of [right, withoutCofactor, compressed]) {
      const point = newPoint();
      expect(importPublicKey(spki(curve, point)).jwk).toEqual(jwkOf(point));
    }
  });

  it("are read as Node writes them, with a seed", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve, paramEncoding: "explicit" });
    const encoded = publicKey.export({ type: "spki", format: "der" });
    expect(importPublicKey(encoded).jwk).toEqual({ ...publicKey.export({ format: "jwk" }), alg });
  });

  it("are rejected with another generator, of which an attacker knows the private key", () => {
    const victim = newPoint();
    // With the victim's point as the generator, the private key is 1.
    expect(() => importPublicKey(spki({ ...right, generator: victim.toString("hex") }, victim))).toThrow(wrongKey);
  });

  it("are rejected with any other p, a, b, generator or order", () => {
    const member = fc.constantFrom<(keyof Curve)[]>("p", "a", "b", "generator", "order");
    fc.assert(
      fc.property(member, fc.nat(), fc.integer({ min: 1, max: 255 }), (name, position, change) => {
        const bytes = Buffer.from(right[name] ?? "", "hex");
        // The first byte of the generator only says how the point is written.
        const at = name === "generator" ? 1 + (position % (bytes.length - 1)) : position % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(() => importPublicKey(spki({ ...right, [name]: bytes.toString("hex") }, newPoint()))).toThrow(wrongKey);
      }),
    );
  });

  it("are rejected with any byte changed, unless the key is still the same or its point is another on the curve", () => {
    const point = newPoint();
    const encoded = spki(right, point);
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(encoded);
        changed[at] = (changed[at] ?? 0) ^ change;
        const jwk = outcome(() => importPublicKey(changed).jwk);
        if (jwk instanceof Error) expect(jwk).toEqual(wrongKey);
        else if (at < encoded.length - point.length) expect(jwk).toEqual(jwkOf(point));
        else expect(jwk).toMatchObject({ crv, alg });
      }),
    );
  });
});

function outcome<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error as Error;
  }
}
