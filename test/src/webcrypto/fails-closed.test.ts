/** Where the patch of `sign` is missing, the private half of a pair signs with a throw-away key: nothing verifies. */

import { createPublicKey, KeyObject, sign as nodeSign, webcrypto } from "node:crypto";
import { once } from "node:events";
import { runInNewContext } from "node:vm";
import { MessageChannel, Worker } from "node:worker_threads";
import { type AlgorithmName, verifySignature } from "hardproof";
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { algorithms, type RealKey, realKey, sign, signParameters } from "./real-keys.js";

const { subtle } = webcrypto;
const nativeSign = subtle.sign;
const data = new Uint8Array([1, 2, 3]);
const built = new URL("../../../dist/src/webcrypto/index.js", import.meta.url).href;

/** One of each kind of key. */
const kinds = (["ES256", "Ed25519", "RS256", "PS256", "ML-DSA-44"] as const).filter((name) =>
  algorithms.includes(name),
);

describe.each(kinds)("a pair for %s", (name: AlgorithmName) => {
  const parameters = signParameters[name];
  let key: RealKey;
  let pair: webcrypto.CryptoKeyPair;
  beforeAll(async () => {
    key = await realKey(name);
    pair = await toCryptoKeyPair(key.signer);
  });
  afterAll(restoreSubtleCrypto);

  const verifies = async (signature: ArrayBuffer | Uint8Array) =>
    verifySignature(await key.signer.publicJwk(), data, new Uint8Array(signature));

  /** Posts the pair to a worker, which signs and posts the signature back. */
  async function signInWorker(prepare: string): Promise<ArrayBuffer> {
    const code = `
      const { parentPort } = require("node:worker_threads");
      parentPort.once("message", async ({ pair, parameters, data }) => {
        ${prepare}
        parentPort.postMessage(await crypto.subtle.sign(parameters, pair.privateKey, data));
      });`;
    const worker = new Worker(code, { eval: true });
    worker.postMessage({ pair, parameters, data });
    const [signature] = await once(worker, "message");
    await worker.terminate();
    return signature;
  }

  it("signs with the signer here", async () => {
    expect(await verifies(await sign(parameters, pair.privateKey, data))).toBe(true);
  });

  it("signs nothing that verifies in a worker that doesn't import hardproof/webcrypto", async () => {
    const signature = await signInWorker("");
    expect(signature.byteLength).toBeGreaterThan(0);
    expect(await verifies(signature)).toBe(false);
  });

  it("signs nothing that verifies in a worker that imports hardproof/webcrypto, and has pairs of its own", async () => {
    const signature = await signInWorker(`
      const { toCryptoKeyPair } = await import(${JSON.stringify(built)});
      const { MemorySigner } = await import("hardproof/memory");
      await toCryptoKeyPair(MemorySigner.generate());`);
    expect(await verifies(signature)).toBe(false);
  });

  it("signs nothing that verifies after it was cloned, or received from a port", async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(pair);
    const [received] = await once(port2, "message");
    port1.close();
    for (const { privateKey } of [structuredClone(pair), received]) {
      expect(privateKey.algorithm).toEqual(pair.privateKey.algorithm);
      expect(await verifies(await sign(parameters, privateKey, data))).toBe(false);
    }
  });

  it("signs nothing that verifies with the function that was native before the first pair", async () => {
    expect(nativeSign).not.toBe(subtle.sign);
    expect(await verifies(await nativeSign.call(subtle, parameters, pair.privateKey, data))).toBe(false);
  });

  it("signs nothing that verifies in node:crypto", async () => {
    const privateKey = KeyObject.from(pair.privateKey);
    const real = createPublicKey({ key: { ...(await key.signer.publicJwk()) }, format: "jwk" });
    expect(createPublicKey(privateKey).equals(real)).toBe(false);
    const { hash = null, ...options } = nodeOptions[name] ?? {};
    expect(await verifies(nodeSign(hash, data, { key: privateKey, ...options }))).toBe(false);
  });

  it("signs nothing that verifies, if anything, after its members were copied to another object", async () => {
    const { privateKey } = pair;
    for (const copy of [{ ...privateKey }, Object.create(privateKey), new Proxy(privateKey, {})]) {
      const signature = await sign(parameters, copy, data).catch(() => new ArrayBuffer(0));
      expect(signature.byteLength > 0 && (await verifies(signature))).toBe(false);
    }
  });

  it("signs with the signer in a vm context, which has the crypto of this realm", async () => {
    const context = { crypto: webcrypto, parameters, key: pair.privateKey };
    const code = "crypto.subtle.sign(parameters, key, new Uint8Array([1, 2, 3]))";
    expect(await verifies(await runInNewContext(code, context))).toBe(true);
  });

  it("signs nothing that verifies after restoreSubtleCrypto, and not again after the next pair", async () => {
    restoreSubtleCrypto();
    expect(subtle.sign).toBe(nativeSign);
    expect(await verifies(await sign(parameters, pair.privateKey, data))).toBe(false);
    const next = await toCryptoKeyPair(key.signer);
    expect(await verifies(await sign(parameters, next.privateKey, data))).toBe(true);
    expect(await verifies(await sign(parameters, pair.privateKey, data))).toBe(false);
  });
});

const nodeOptions: Partial<Record<AlgorithmName, { hash?: string; dsaEncoding?: "ieee-p1363"; padding?: number }>> = {
  ES256: { hash: "sha256", dsaEncoding: "ieee-p1363" },
  RS256: { hash: "sha256" },
  PS256: { hash: "sha256", padding: 6 },
};
