/** The pair that stands for a signer: every algorithm of the table, its properties, its errors and its life. */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  type PublicJwk,
  type Signer,
  SignerError,
  verifySignature,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { toCryptoKeyPair } from "hardproof/webcrypto";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { algorithms, type RealKey, realKey, rsaSigner, sign, signParameters } from "./real-keys.js";

const { subtle } = webcrypto;
const data = Buffer.from("data");

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(algorithms)("%s", (name) => {
  const parameters = signParameters[name];
  let key: RealKey;
  let pair: webcrypto.CryptoKeyPair;
  beforeAll(async () => {
    key = await realKey(name);
    pair = await toCryptoKeyPair(key.signer);
  });

  it("makes signatures that WebCrypto and node:crypto verify with the signer's public key", async () => {
    const signature = await subtle.sign(parameters, pair.privateKey, data);
    const jwk = await key.signer.publicJwk();
    expect(signature).toBeInstanceOf(ArrayBuffer);
    expect(await subtle.verify(parameters, pair.publicKey, signature, data)).toBe(true);
    expect(verifySignature(jwk, data, new Uint8Array(signature))).toBe(true);
    expect(verifySignature(jwk, Buffer.from("other"), new Uint8Array(signature))).toBe(false);
  });

  it("has the algorithm that WebCrypto reports for the real key, and only the usages of each half", () => {
    const { publicKey, privateKey } = pair;
    expect(privateKey.algorithm).toEqual(key.privateKey.algorithm);
    expect(publicKey.algorithm).toEqual(key.privateKey.algorithm);
    expect(privateKey).toMatchObject({ type: "private", extractable: false, usages: ["sign"] });
    expect(publicKey).toMatchObject({ type: "public", extractable: true, usages: ["verify"] });
  });

  it("exports the signer's public key, and no private key", async () => {
    const { alg: _, ...members } = await key.signer.publicJwk();
    expect(await subtle.exportKey("jwk", pair.publicKey)).toMatchObject(members);
    await expect(subtle.exportKey("jwk", pair.privateKey)).rejects.toThrow("not extractable");
    await expect(subtle.exportKey("pkcs8", pair.privateKey)).rejects.toThrow("not extractable");
  });
});

it.each([
  [2056, 65_537],
  [2048, 3],
])("stands for an RSA key of %i bits with the exponent %i", async (modulusLength, publicExponent) => {
  const signer = rsaSigner("PS256", { modulusLength, publicExponent });
  const { publicKey, privateKey } = await toCryptoKeyPair(signer);
  expect(privateKey.algorithm).toMatchObject({ modulusLength, hash: { name: "SHA-256" } });
  expect(privateKey.algorithm).toEqual(publicKey.algorithm);
  const signature = await subtle.sign(signParameters.PS256, privateKey, data);
  expect(await subtle.verify(signParameters.PS256, publicKey, signature, data)).toBe(true);
});

describe("an algorithm that this version of Node doesn't have", () => {
  const missing = ALGORITHM_NAMES.filter((name) => !algorithms.includes(name));
  if (missing.length > 0)
    it.each(missing)("rejects %s, and says which Node has it", async (alg) => {
      const publicJwk = async () => ({ kty: "AKP", alg, pub: "AA" }) as PublicJwk;
      const error = { name: "SignerError", code: "misconfigured", message: expect.stringMatching(/Node 24\.\d+/) };
      await expect(toCryptoKeyPair({ publicJwk } as Signer)).rejects.toMatchObject(error);
    });

  it.each(["importKey", "generateKey"] as const)("rejects what %s doesn't support, with its reason", async (method) => {
    const notSupported = new DOMException("Unrecognized algorithm name", "NotSupportedError");
    vi.spyOn(Object.getPrototypeOf(subtle), method).mockRejectedValue(notSupported);
    await expect(toCryptoKeyPair(MemorySigner.generate())).rejects.toMatchObject({
      name: "SignerError",
      code: "misconfigured",
      message: `memory:: WebCrypto of Node ${process.versions.node} can't use this ES256 key: Unrecognized algorithm name. Use a later version of Node, or a key for another algorithm.`,
    });
  });

  it("rejects an RSA key whose exponent WebCrypto can't generate", async () => {
    const e = Buffer.from("0100000001", "hex").toString("base64url");
    const n = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" }).n;
    const publicJwk = async () => ({ kty: "RSA", alg: "RS256", n, e }) as PublicJwk;
    const error = { code: "misconfigured", message: expect.stringMatching(/RS256 key: .*32-bit/) };
    await expect(toCryptoKeyPair({ publicJwk } as Signer)).rejects.toMatchObject(error);
  });
});

describe("the signer", () => {
  it.each([undefined, null, {}, "pkcs11:token=agents"])("can't be %j", async (signer) => {
    const error = {
      name: "SignerError",
      code: "misconfigured",
      message: expect.stringMatching(/^toCryptoKeyPair needs/),
    };
    await expect(toCryptoKeyPair(signer as unknown as Signer)).rejects.toMatchObject(error);
  });

  it("is asked once for each signature, with the data", async () => {
    const signer = MemorySigner.generate();
    const signing = vi.spyOn(signer, "sign");
    const { privateKey } = await toCryptoKeyPair(signer);
    expect(signing).not.toHaveBeenCalled();
    await sign(signParameters.ES256, privateKey, data);
    expect(signing).toHaveBeenCalledExactlyOnceWith(new Uint8Array(data));
  });

  it("passes its errors on as they are", async () => {
    const signer = MemorySigner.generate();
    const { privateKey } = await toCryptoKeyPair(signer);
    const error = new SignerError("throttled", "Slow down.");
    vi.spyOn(signer, "sign").mockRejectedValueOnce(error);
    await expect(sign(signParameters.ES256, privateKey, data)).rejects.toBe(error);
    await signer.close();
    await expect(sign(signParameters.ES256, privateKey, data)).rejects.toThrow("This signer is closed.");
    await expect(toCryptoKeyPair(signer)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("isn't asked for its public key after the caller has aborted", async () => {
    const error = { name: "SignerError", code: "aborted" };
    const signal = AbortSignal.abort();
    await expect(toCryptoKeyPair(MemorySigner.generate(), { signal })).rejects.toMatchObject(error);
  });

  it("can have several pairs, each with a private key of its own", async () => {
    const signer = MemorySigner.generate();
    const [one, other] = await Promise.all([toCryptoKeyPair(signer), toCryptoKeyPair(signer)]);
    expect(one.privateKey).not.toBe(other.privateKey);
    for (const { privateKey } of [one, other]) {
      const signature = await sign(signParameters.ES256, privateKey, data);
      expect(verifySignature(await signer.publicJwk(), data, new Uint8Array(signature))).toBe(true);
    }
  });

  it("is released with the pair: nothing else refers to it", async () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const released = new Set<AlgorithmName>();
    const registry = new FinalizationRegistry<AlgorithmName>((name) => released.add(name));
    const use = async () => {
      const signer = MemorySigner.generate();
      registry.register(signer, "ES256");
      const { privateKey } = await toCryptoKeyPair(signer);
      await sign(signParameters.ES256, privateKey, data);
    };
    await use();
    await expect.poll(() => [collect(), released.size][1]).toBe(1);
  });
});
