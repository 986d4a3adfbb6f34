/** ECDSA's two signature forms, and public keys in every form in which a store gives them. */
import { createECDH, createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derToRaw, rawToDer } from "../../../src/jose/ecdsa-der.js";
import { importPublicKey, jwkFromEcPoint } from "../../../src/jose/public-key.js";

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = pair.publicKey.export({ format: "jwk" });
const integrity = expect.objectContaining({ name: "SignerError", code: "integrity" });
const wrongKey = expect.objectContaining({ name: "SignerError", code: "wrong-key" });

/** r or s with any count of leading zero bytes. */
const scalar = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 0, max: 31 }))
  .map(([bytes, zeros]) => Buffer.from(bytes.fill(0, 0, zeros)))
  .filter((bytes) => BigInt(`0x${bytes.toString("hex")}`) > 0n && BigInt(`0x${bytes.toString("hex")}`) < ORDER);
const raw = fc.tuple(scalar, scalar).map((halves) => Buffer.concat(halves));

/** X.690 §8 without this project's code or asn1js. */
const length = (n: number) => (n < 0x80 ? Buffer.of(n) : Buffer.of(0x81, n));
const tlv = (tag: number, value: Uint8Array) => Buffer.concat([Buffer.of(tag), length(value.length), value]);
const integer = (half: Uint8Array) => {
  const digits = Buffer.from(half).subarray(Buffer.from(half).findIndex((byte) => byte !== 0));
  return tlv(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]));
};
const der = (r: Uint8Array, s: Uint8Array) => tlv(0x30, Buffer.concat([integer(r), integer(s)]));
const halves = (bytes: Uint8Array) => [bytes.subarray(0, 32), bytes.subarray(32)] as const;

describe("a signature in DER (X.690 §10, RFC 3279 §2.2.3)", () => {
  it("made by node becomes one that node verifies in JOSE's form, and back to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        const made = sign("sha256", message, pair.privateKey);
        const converted = derToRaw(made);
        expect(converted).toHaveLength(64);
        expect(verify("sha256", message, { key: pair.publicKey, dsaEncoding: "ieee-p1363" }, converted)).toBe(true);
        expect(Buffer.from(rawToDer(converted))).toEqual(made);
      }),
    );
  });

  it("made by node in JOSE's form becomes DER that node verifies", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        const made = sign("sha256", message, { key: pair.privateKey, dsaEncoding: "ieee-p1363" });
        expect(verify("sha256", message, pair.publicKey, rawToDer(made))).toBe(true);
      }),
    );
  });

  it("keeps r and s whatever their leading zeros", () => {
    fc.assert(
      fc.property(raw, (bytes) => {
        const expected = der(...halves(bytes));
        expect(Buffer.from(rawToDer(bytes))).toEqual(expected);
        expect(Buffer.from(derToRaw(expected))).toEqual(bytes);
      }),
    );
  });

  it.each(Array.from({ length: 32 }, (_, zeros) => zeros))("with %i leading zero bytes in r and s", (zeros) => {
    const half = Buffer.alloc(32, 0xab).fill(0, 0, zeros);
    const bytes = Buffer.concat([half, half]);
    expect(Buffer.from(derToRaw(der(half, half)))).toEqual(bytes);
    expect(Buffer.from(rawToDer(bytes))).toEqual(der(half, half));
  });
});

describe("a signature that is refused", () => {
  const one = Buffer.alloc(32, 0x11);
  const high = Buffer.alloc(32, 0xee);
  const good = der(one, high);
  const body = good.subarray(2);
  const order = Buffer.from(ORDER.toString(16), "hex");
  const zero = tlv(0x02, Buffer.of(0));

  it.each<[string, Uint8Array]>([
    ["nothing", Buffer.alloc(0)],
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
    ["the raw form", Buffer.concat([one, one])],
  ])("is %s", (_, bytes) => {
    expect(() => derToRaw(bytes)).toThrow(integrity);
  });

  it("is a good one cut anywhere", () => {
    for (let end = 0; end < good.length; end++) expect(() => derToRaw(good.subarray(0, end))).toThrow(integrity);
  });

  it("is, of all that one changed byte makes of a good one, every one that is not another good one", () => {
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

  it("is any bytes that are no signature", () => {
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
  ])("in JOSE's form is %s", (_, bytes) => {
    expect(() => rawToDer(bytes)).toThrow(integrity);
  });
});

describe("a public key", () => {
  it("is the same from SPKI and from JWK, and has four members", () => {
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    const { kty, crv, x, y } = jwk;
    for (const given of [spki, { kty, crv, x, y, kid: "k", use: "sig" } as never])
      expect(importPublicKey(given).jwk).toEqual({ kty: "EC", crv: "P-256", x, y });
  });

  it.each([
    ["P-384", generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey, "secp384r1"],
    ["secp256k1", generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey, "secp256k1"],
    ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey, "rsa 2048"],
    ["Ed25519", generateKeyPairSync("ed25519").publicKey, "ed25519"],
  ])("of another kind is refused by its name: %s", (_, key, name) => {
    const spki = key.export({ type: "spki", format: "der" });
    expect(() => importPublicKey(spki)).toThrow(wrongKey);
    expect(() => importPublicKey(spki)).toThrow(name);
  });

  it("that is not on the curve is refused", () => {
    const y = Buffer.from(jwk.y ?? "", "base64url");
    y[31] = (y[31] ?? 0) ^ 1;
    const off = { kty: "EC", crv: "P-256", x: jwk.x ?? "", y: y.toString("base64url") } as const;
    expect(() => importPublicKey(off)).toThrow(wrongKey);
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    expect(() => importPublicKey(Buffer.concat([spki.subarray(0, -32), y]))).toThrow(wrongKey);
  });

  it("that is any bytes is refused", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(() => importPublicKey(bytes)).toThrow(wrongKey);
      }),
    );
  });
});

describe("CKA_EC_POINT (PKCS#11 v2.40 §2.3.3)", () => {
  it("is read as a DER octet string and as the bare point", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (seed) => {
        const ecdh = createECDH("prime256v1");
        ecdh.setPrivateKey(createHash("sha256").update(seed).digest());
        const point = ecdh.getPublicKey();
        const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
        for (const form of [point, tlv(0x04, point)])
          expect(jwkFromEcPoint(form)).toEqual({ kty: "EC", crv: "P-256", x, y });
      }),
    );
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a compressed point", Buffer.concat([Buffer.of(0x02), Buffer.alloc(32, 1)])],
    ["a P-384 point", tlv(0x04, Buffer.concat([Buffer.of(0x04), Buffer.alloc(96, 1)]))],
    ["a point with a byte after it", Buffer.concat([tlv(0x04, Buffer.alloc(65, 4)), Buffer.of(0)])],
    ["another tag around it", tlv(0x03, Buffer.alloc(65, 4))],
  ])("is not %s", (_, bytes) => {
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
