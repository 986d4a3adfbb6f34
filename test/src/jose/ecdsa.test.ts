/** The two formats of ECDSA signatures, and public keys in every format that a store returns. */
import { createECDH, createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import { fromBER, Integer, Sequence } from "asn1js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type EcAlgorithm, ES256 } from "../../../src/jose/algorithms.js";
import { rawToDer as toDer, derToRaw as toRaw } from "../../../src/jose/ecdsa-der.js";
import { importPublicKey, jwkFromEcPoint } from "../../../src/jose/public-key.js";

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = pair.publicKey.export({ format: "jwk" });
const integrity = expect.objectContaining({ name: "SignerError", code: "integrity" });
const wrongKey = expect.objectContaining({ name: "SignerError", code: "wrong-key" });
const curves = ALGORITHMS.filter((row) => row.kty === "EC").map((row): [string, EcAlgorithm] => [row.crv, row]);
const derToRaw = (bytes: Uint8Array) => toRaw(bytes, ES256);
const rawToDer = (bytes: Uint8Array) => toDer(bytes, ES256);
const toBigInt = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** r or s with any number of leading zero bytes. */
const scalar = ({ coordinateBytes: size, order }: EcAlgorithm) =>
  fc
    .tuple(fc.uint8Array({ minLength: size, maxLength: size }), fc.integer({ min: 0, max: size - 1 }))
    .map(([bytes, zeros]) => Buffer.from(bytes.fill(0, 0, zeros)))
    .map((bytes) => (toBigInt(bytes) < toBigInt(order) ? bytes : bytes.fill(0, 0, 2)))
    .filter((bytes) => toBigInt(bytes) > 0n);
const raw = (row: EcAlgorithm) => fc.tuple(scalar(row), scalar(row)).map((parts) => Buffer.concat(parts));

/** An independent implementation of X.690 §8. */
const length = (n: number) => (n < 0x80 ? Buffer.of(n) : Buffer.of(0x81, n));
const tlv = (tag: number, value: Uint8Array) => Buffer.concat([Buffer.of(tag), length(value.length), value]);
const integer = (half: Uint8Array) => {
  const digits = Buffer.from(half).subarray(Buffer.from(half).findIndex((byte) => byte !== 0));
  return tlv(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]));
};
const der = (r: Uint8Array, s: Uint8Array) => tlv(0x30, Buffer.concat([integer(r), integer(s)]));
const halves = (bytes: Uint8Array) => [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)] as const;

describe.each(curves)("DER signatures on %s (X.690 §10, RFC 3279 §2.2.3)", (crv, row) => {
  const { hash, signatureBytes, coordinateBytes } = row;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: crv });

  it("converts a DER signature of node:crypto to a raw one that node:crypto verifies, and back to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        const signature = sign(hash, message, privateKey);
        const converted = toRaw(signature, row);
        expect(converted).toHaveLength(signatureBytes);
        expect(verify(hash, message, { key: publicKey, dsaEncoding: "ieee-p1363" }, converted)).toBe(true);
        expect(Buffer.from(toDer(converted, row))).toEqual(signature);
      }),
    );
  });

  it("reads the same r and s as an ASN.1 library", () => {
    fc.assert(
      fc.property(raw(row), (bytes) => {
        const { result } = fromBER(toDer(bytes, row));
        const [r, s] = result instanceof Sequence ? result.valueBlock.value : [];
        const expected = [r, s].map((value) => (value instanceof Integer ? value.toBigInt() : undefined));
        expect(halves(Buffer.from(toRaw(toDer(bytes, row), row))).map(toBigInt)).toEqual(expected);
      }),
    );
  });

  it("converts a raw signature of node:crypto to DER that node:crypto verifies", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        const signature = sign(hash, message, { key: privateKey, dsaEncoding: "ieee-p1363" });
        expect(verify(hash, message, publicKey, toDer(signature, row))).toBe(true);
      }),
    );
  });

  it("preserves r and s with any leading zeros in both conversions", () => {
    fc.assert(
      fc.property(raw(row), (bytes) => {
        const expected = der(...halves(bytes));
        expect(Buffer.from(toDer(bytes, row))).toEqual(expected);
        expect(Buffer.from(toRaw(expected, row))).toEqual(bytes);
      }),
    );
  });

  it.each(Array.from({ length: coordinateBytes }, (_, zeros) => zeros))(
    "preserves %i leading zero bytes in r and s in both conversions",
    (zeros) => {
      // 0x01 is below the first byte of every order, and 0xab needs a sign byte after it.
      const half = Buffer.alloc(coordinateBytes, 0xab).fill(0x01, 0, 1).fill(0, 0, zeros);
      const bytes = Buffer.concat([half, half]);
      expect(Buffer.from(toRaw(der(half, half), row))).toEqual(bytes);
      expect(Buffer.from(toDer(bytes, row))).toEqual(der(half, half));
    },
  );

  it("rejects r and s that are 0 or the order, in both formats", () => {
    const one = Buffer.alloc(coordinateBytes).fill(1, coordinateBytes - 1);
    for (const bad of [Buffer.alloc(coordinateBytes), row.order])
      for (const [r, s] of [
        [bad, one],
        [one, bad],
      ] as const) {
        expect(() => toDer(Buffer.concat([r, s]), row)).toThrow(integrity);
        if (bad === row.order) expect(() => toRaw(der(r, s), row)).toThrow(integrity);
      }
    const highest = Buffer.from((toBigInt(row.order) - 1n).toString(16).padStart(2 * coordinateBytes, "0"), "hex");
    expect(Buffer.from(toRaw(der(highest, one), row))).toEqual(Buffer.concat([highest, one]));
  });

  it("has the order of the curve: the lowest number that isn't a private key", () => {
    const ecdh = createECDH(row.namedCurve);
    const below = (toBigInt(row.order) - 1n).toString(16).padStart(2 * coordinateBytes, "0");
    expect(() => ecdh.setPrivateKey(below, "hex")).not.toThrow();
    expect(() => ecdh.setPrivateKey(row.order)).toThrow();
  });

  it("rejects a signature on another curve", () => {
    for (const [, other] of curves.filter(([name]) => name !== crv)) {
      const signature = sign(hash, Buffer.of(1), { key: privateKey, dsaEncoding: "ieee-p1363" });
      expect(() => toDer(signature, other)).toThrow(`has ${signatureBytes} bytes`);
    }
  });
});

describe("invalid signatures", () => {
  const one = Buffer.alloc(32, 0x11);
  const high = Buffer.alloc(32, 0xee);
  const good = der(one, high);
  const body = good.subarray(2);
  const order = Buffer.from(ORDER.toString(16), "hex");
  const zero = tlv(0x02, Buffer.of(0));

  it.each<[string, Uint8Array]>([
    ["no bytes", Buffer.alloc(0)],
    ["a length in the long form", Buffer.concat([Buffer.of(0x30, 0x81, body.length), body])],
    ["a length in the long form inside", tlv(0x30, Buffer.concat([Buffer.of(0x02, 0x81, 32), one, integer(high)]))],
    ["an indefinite length", Buffer.concat([Buffer.of(0x30, 0x80), body, Buffer.of(0, 0)])],
    ["padding before r", tlv(0x30, Buffer.concat([tlv(0x02, Buffer.concat([Buffer.of(0), one])), integer(high)]))],
    ["a negative s", tlv(0x30, Buffer.concat([integer(one), tlv(0x02, high)]))],
    ["r = 0", tlv(0x30, Buffer.concat([zero, integer(high)]))],
    ["s = 0", tlv(0x30, Buffer.concat([integer(one), zero]))],
    ["an integer of no bytes", tlv(0x30, Buffer.concat([integer(one), Buffer.of(0x02, 0)]))],
    ["r = n", der(order, one)],
    ["s = n", der(one, order)],
    ["s of 33 bytes", der(one, Buffer.alloc(33, 0x11))],
    ["a byte after the end", Buffer.concat([good, Buffer.of(0)])],
    ["a byte after s", tlv(0x30, Buffer.concat([body, Buffer.of(0)]))],
    ["three integers", tlv(0x30, Buffer.concat([body, integer(one)]))],
    ["one integer", tlv(0x30, integer(one))],
    ["a set", tlv(0x31, body)],
    ["octet strings", tlv(0x30, Buffer.concat([tlv(0x04, one), tlv(0x04, one)]))],
    ["a nested sequence", tlv(0x30, good)],
    ["a raw signature", Buffer.concat([one, one])],
  ])("rejects an invalid DER signature: %s", (_, bytes) => {
    expect(() => derToRaw(bytes)).toThrow(integrity);
  });

  it("rejects a DER signature that is truncated at any byte", () => {
    for (let end = 0; end < good.length; end++) expect(() => derToRaw(good.subarray(0, end))).toThrow(integrity);
  });

  it("rejects a DER signature with any byte changed, unless the result encodes another r and s", () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] ?? 0) ^ change;
        const result = outcome(() => derToRaw(changed));
        if (result instanceof Error) expect(result).toEqual(integrity);
        else expect(der(...halves(result))).toEqual(changed);
      }),
    );
  });

  it("rejects arbitrary bytes as a DER signature", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(() => derToRaw(bytes)).toThrow(integrity);
      }),
    );
  });

  it.each([
    ["63 bytes", Buffer.alloc(63, 1)],
    ["65 bytes", Buffer.alloc(65, 1)],
    ["r = 0", Buffer.concat([Buffer.alloc(32), one])],
    ["s = 0", Buffer.concat([one, Buffer.alloc(32)])],
    ["r = n", Buffer.concat([order, one])],
    ["s = n", Buffer.concat([one, order])],
  ])("rejects an invalid raw signature: %s", (_, bytes) => {
    expect(() => rawToDer(bytes)).toThrow(integrity);
  });
});

describe("public keys", () => {
  it("imports the same JWK of four members and alg from SPKI and from a JWK", () => {
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    const { kty, crv, x, y } = jwk;
    for (const publicKey of [spki, { kty, crv, x, y, kid: "k", use: "sig" } as never])
      expect(importPublicKey(publicKey).jwk).toEqual({ kty: "EC", crv: "P-256", x, y, alg: "ES256" });
  });

  it.each([
    ["secp256k1", generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey, "EC secp256k1"],
    ["RSA of 1024 bits", generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey, "RSA 1024"],
    ["RSASSA-PSS", generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey, "rsa-pss 2048"],
    ["Ed448", generateKeyPairSync("ed448").publicKey, "ed448"],
    ["X25519", generateKeyPairSync("x25519").publicKey, "x25519"],
  ])("rejects a public key of an unsupported type with an error that names the type: %s", (_, key, name) => {
    const spki = key.export({ type: "spki", format: "der" });
    expect(() => importPublicKey(spki)).toThrow(wrongKey);
    expect(() => importPublicKey(spki)).toThrow(name);
    expect(() => importPublicKey(spki)).toThrow("an EC key on P-256");
  });

  it("rejects a public key whose point isn't on the curve", () => {
    const y = Buffer.from(jwk.y ?? "", "base64url");
    y[31] = (y[31] ?? 0) ^ 1;
    const off = { kty: "EC", crv: "P-256", x: jwk.x ?? "", y: y.toString("base64url") } as const;
    expect(() => importPublicKey(off)).toThrow(wrongKey);
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    expect(() => importPublicKey(Buffer.concat([spki.subarray(0, -32), y]))).toThrow(wrongKey);
  });

  it("rejects arbitrary bytes as a public key", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(() => importPublicKey(bytes)).toThrow(wrongKey);
      }),
    );
  });
});

describe.each(curves)("CKA_EC_POINT on %s (PKCS#11 v2.40 §2.3.3)", (crv, { alg, coordinateBytes, namedCurve }) => {
  it("accepts CKA_EC_POINT as a DER OCTET STRING and as the bare point", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (seed) => {
        const ecdh = createECDH(namedCurve);
        ecdh.setPrivateKey(createHash("sha256").update(seed).digest());
        const point = ecdh.getPublicKey();
        const coordinates = [point.subarray(1, 1 + coordinateBytes), point.subarray(1 + coordinateBytes)];
        const [x, y] = coordinates.map((half) => half.toString("base64url"));
        for (const form of [point, tlv(0x04, point)])
          expect(jwkFromEcPoint(form)).toEqual({ kty: "EC", crv, x, y, alg });
      }),
    );
  });

  const point = Buffer.alloc(1 + 2 * coordinateBytes, 4);
  it.each([
    ["no bytes", Buffer.alloc(0)],
    ["a compressed point", Buffer.concat([Buffer.of(0x02), Buffer.alloc(coordinateBytes, 1)])],
    ["another form of the point", Buffer.from(point).fill(0x06, 0, 1)],
    ["a point with a byte after it", Buffer.concat([tlv(0x04, point), Buffer.of(0)])],
    ["another tag around it", tlv(0x03, point)],
  ])("rejects CKA_EC_POINT with %s", (_, bytes) => {
    expect(() => jwkFromEcPoint(bytes)).toThrow(wrongKey);
  });
});

function outcome<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error as Error;
  }
}
