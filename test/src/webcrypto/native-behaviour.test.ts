/** `crypto.subtle.sign` with the private half of a pair, compared with the same call with the real key. */
import { webcrypto } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { type AlgorithmName, type Signer, verifySignature } from "hardproof";
import { toCryptoKeyPair } from "hardproof/webcrypto";
import { beforeAll, describe, expect, it } from "vitest";
import { algorithms, outcome, type RealKey, realKey, sign, signParameters } from "./real-keys.js";

const { subtle } = webcrypto;
const data = new Uint8Array([1, 2, 3]);

interface Compared extends RealKey {
  pair: webcrypto.CryptoKeyPair;
}
const keys = {} as Record<AlgorithmName, Compared>;
beforeAll(async () => {
  const names = (["ES256", "Ed25519", "RS256", "PS256", "ML-DSA-44"] as const).filter((name) =>
    algorithms.includes(name),
  );
  for (const name of names) {
    const key = await realKey(name);
    keys[name] = { ...key, pair: await toCryptoKeyPair(key.signer) };
  }
});

/** Returns whether the bytes that were signed are these. */
async function verifies(name: AlgorithmName, signature: ArrayBuffer, message: Uint8Array): Promise<boolean> {
  return verifySignature(await keys[name].signer.publicJwk(), message, new Uint8Array(signature));
}

const detached = () => {
  const view = new Uint8Array(8);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};
const shared = new SharedArrayBuffer(8);
const ecdsa = signParameters.ES256;

describe("rejects as WebCrypto does", () => {
  it.each<[string, AlgorithmName, unknown[]]>([
    ["another algorithm", "ES256", ["Ed25519", data]],
    ["another RSA algorithm", "PS256", ["RSASSA-PKCS1-v1_5", data]],
    ["an algorithm that can't sign", "ES256", ["AES-GCM", data]],
    ["an unknown algorithm", "ES256", ["ES256", data]],
    ["no algorithm", "ES256", [undefined, data]],
    ["null for the algorithm", "ES256", [null, data]],
    ["an empty algorithm", "ES256", [{}, data]],
    ["ECDSA without a hash", "ES256", [{ name: "ECDSA" }, data]],
    ["ECDSA with the name alone", "ES256", ["ECDSA", data]],
    ["an unknown hash", "ES256", [{ name: "ECDSA", hash: "SHA-257" }, data]],
    ["a hash without a name", "ES256", [{ name: "ECDSA", hash: {} }, data]],
    ["RSA-PSS without a salt length", "PS256", [{ name: "RSA-PSS" }, data]],
    ["a negative salt length", "PS256", [{ name: "RSA-PSS", saltLength: -1 }, data]],
    ["a salt length that isn't a number", "PS256", [{ name: "RSA-PSS", saltLength: "x" }, data]],
    ["a salt that is too long for the key", "PS256", [{ name: "RSA-PSS", saltLength: 1000 }, data]],
    ["a string as data", "ES256", [ecdsa, "abc"]],
    ["an array as data", "ES256", [ecdsa, [1, 2]]],
    ["no data", "ES256", [ecdsa]],
    ["undefined as data", "ES256", [ecdsa, undefined]],
    ["shared memory", "ES256", [ecdsa, shared]],
    ["a view of shared memory", "ES256", [ecdsa, new Uint8Array(shared)]],
    ["a name that throws when it is read", "ES256", [throwing("name"), data]],
    ["a hash that throws when it is read", "ES256", [throwing("hash", { name: "ECDSA" }), data]],
  ])("%s (%s)", async (_, name, [algorithm, ...rest]) => {
    const { pair, privateKey } = keys[name];
    const expected = await outcome(() => sign(algorithm, privateKey, ...rest));
    expect(expected).toHaveProperty("name");
    expect(await outcome(() => sign(algorithm, pair.privateKey, ...rest))).toEqual(expected);
  });

  it("a public key, a key without the usage sign, and what isn't a key", async () => {
    const { pair } = keys.ES256;
    const verifyOnly = await outcome(() => sign(ecdsa, pair.publicKey, data));
    expect(verifyOnly).toMatchObject({ type: "DOMException", name: "InvalidAccessError" });
    for (const key of [undefined, null, "key", {}])
      expect(await outcome(() => sign(ecdsa, key, data))).toMatchObject({
        name: "TypeError",
        code: "ERR_INVALID_ARG_TYPE",
      });
  });

  it.each([[undefined], [{}], [Object.create(subtle)]])("a receiver that isn't crypto.subtle: %o", async (receiver) => {
    const { pair, privateKey } = keys.ES256;
    const call = (key: webcrypto.CryptoKey) => outcome(() => Reflect.apply(subtle.sign, receiver, [ecdsa, key, data]));
    expect(await call(privateKey)).toMatchObject({ code: "ERR_INVALID_THIS" });
    expect(await call(pair.privateKey)).toEqual(await call(privateKey));
  });

  function throwing(member: string, rest: object = {}): object {
    return Object.defineProperty({ ...rest }, member, {
      get() {
        throw new RangeError(member);
      },
    });
  }
});

describe("rejects with InvalidAccessError what WebCrypto can sign, but the signer can't", () => {
  it.each<[string, AlgorithmName, unknown]>([
    ["ECDSA with another hash", "ES256", { name: "ECDSA", hash: "SHA-384" }],
    ["RSA-PSS with another salt length", "PS256", { name: "RSA-PSS", saltLength: 20 }],
    ["RSA-PSS without a salt", "PS256", { name: "RSA-PSS", saltLength: 0 }],
  ])("%s (%s)", async (_, name, algorithm) => {
    const { pair, privateKey, signer } = keys[name];
    await expect(sign(algorithm, privateKey, data)).resolves.toBeInstanceOf(ArrayBuffer);
    await expect(sign(algorithm, pair.privateKey, data)).rejects.toMatchObject({
      constructor: DOMException,
      name: "InvalidAccessError",
      message: `The key store signs with this key only with ${JSON.stringify(signParameters[name])}.`,
    });
    expect(await signer.publicJwk()).toMatchObject({ alg: name });
  });

  it.runIf(algorithms.includes("ML-DSA-44"))("ML-DSA with a context", async () => {
    const { pair } = keys["ML-DSA-44"];
    const signing = (context: unknown) => sign({ name: "ML-DSA-44", context }, pair.privateKey, data);
    await expect(signing(new Uint8Array(1))).rejects.toMatchObject({ name: "InvalidAccessError" });
    expect(await verifies("ML-DSA-44", await signing(new Uint8Array()), data)).toBe(true);
  });
});

describe("signs as WebCrypto does", () => {
  it.each<[string, AlgorithmName, unknown]>([
    ["names in another case", "ES256", { name: "ecdsa", hash: "sha-256" }],
    ["the hash as an object", "ES256", { name: "ECDSA", hash: { name: "SHA-256" } }],
    ["inherited members", "ES256", Object.create({ name: "ECDSA", hash: "SHA-256" })],
    ["the algorithm of an RSA key", "RS256", { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" }],
    ["a string", "RS256", "rsassa-pkcs1-v1_5"],
    ["a string", "Ed25519", "Ed25519"],
    ["a salt length that Web IDL converts", "PS256", { name: "RSA-PSS", saltLength: "32.9" }],
  ])("%s (%s)", async (_, name, algorithm) => {
    const { pair, privateKey } = keys[name];
    await expect(sign(algorithm, privateKey, data)).resolves.toBeInstanceOf(ArrayBuffer);
    expect(await verifies(name, await sign(algorithm, pair.privateKey, data), data)).toBe(true);
  });

  const bytes = Uint8Array.from({ length: 24 }, (_, index) => index);
  const { buffer } = bytes;
  const foreign = (code: string) => runInNewContext(code, { length: 24 });
  it.each<[string, unknown, Uint8Array]>([
    ["an ArrayBuffer", buffer, bytes],
    ["a part of one", bytes.subarray(3, 7), bytes.slice(3, 7)],
    ["a DataView", new DataView(buffer, 5, 6), bytes.slice(5, 11)],
    ["a Uint32Array", new Uint32Array(buffer, 4, 2), bytes.slice(4, 12)],
    ["a Float64Array", new Float64Array(buffer, 8), bytes.slice(8)],
    ["a Buffer from Node's pool", Buffer.from("pooled"), new Uint8Array(Buffer.from("pooled"))],
    ["an empty array", new Uint8Array(), new Uint8Array()],
    ["a detached view", detached(), new Uint8Array()],
    ["a detached ArrayBuffer", detached().buffer, new Uint8Array()],
    ["a view of another realm", foreign("new DataView(new ArrayBuffer(length), 4)"), new Uint8Array(20)],
  ])("%s", async (_, source, signed) => {
    const { pair, privateKey, signer } = keys.ES256;
    for (const key of [privateKey, pair.privateKey])
      expect(await verifies("ES256", await sign(ecdsa, key, source), signed)).toBe(true);
    expect(signer).toBeDefined();
  });

  it("an ArrayBuffer of another realm, which WebCrypto of Node 20 rejects", async () => {
    const source = foreign("new Uint8Array(length).fill(7).buffer");
    const signature = await sign(ecdsa, keys.ES256.pair.privateKey, source);
    expect(await verifies("ES256", signature, new Uint8Array(24).fill(7))).toBe(true);
  });

  it("the bytes at the time of the call, whatever the caller does to the buffer while the key store is busy", async () => {
    const { signer } = keys.ES256;
    const sign = async (message: Uint8Array) => setImmediate().then(() => signer.sign(message));
    const busy = { publicJwk: () => signer.publicJwk(), sign } as unknown as Signer;
    const { privateKey } = await toCryptoKeyPair(busy);
    const source = bytes.slice();
    const signing = subtle.sign(ecdsa, privateKey, source);
    source.fill(0xff);
    expect(await verifies("ES256", await signing, bytes)).toBe(true);
  });

  it("any part of any buffer", async () => {
    const part = fc.uint8Array({ maxLength: 300 }).chain((whole) =>
      fc.tuple(fc.constant(whole), fc.nat(whole.length), fc.nat(whole.length)).map(([, ...ends]) => {
        const [start = 0, end = 0] = ends.sort((a, b) => a - b);
        return {
          source: new DataView(whole.buffer, whole.byteOffset + start, end - start),
          signed: whole.slice(start, end),
        };
      }),
    );
    const signsIt = async ({ source, signed }: { source: DataView; signed: Uint8Array }) =>
      verifies("ES256", await sign(ecdsa, keys.ES256.pair.privateKey, source), signed);
    await fc.assert(fc.asyncProperty(part, signsIt), { numRuns: 200 });
  });

  it("or rejects as WebCrypto does, for any algorithm argument", async () => {
    const name = fc.constantFrom("ECDSA", "ecdsa", "Ed25519", "RSA-PSS", "nope", 1, undefined);
    const hashName = fc.constantFrom("SHA-256", "sha-256", "SHA-1", "MD5", null, undefined, 256);
    const hash = fc.oneof(hashName, fc.record({ name: hashName }));
    const argument = fc.oneof(name, fc.record({ name, hash }, { requiredKeys: [] }), fc.anything());
    const agrees = async (algorithm: unknown) => {
      const { pair, privateKey } = keys.ES256;
      const [ours, native] = await Promise.all(
        [pair.privateKey, privateKey].map((key) => outcome(() => sign(algorithm, key, data))),
      );
      const isOtherHash = "byteLength" in (native ?? {}) && "name" in (ours ?? {});
      expect(ours).toEqual(isOtherHash ? expect.objectContaining({ name: "InvalidAccessError" }) : native);
    };
    await fc.assert(fc.asyncProperty(argument, agrees), { numRuns: 300 });
  });
});
