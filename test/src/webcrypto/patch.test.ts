/** The patch of `SubtleCrypto.prototype.sign`: what it leaves alone, and how it gets on with other patches. */
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Signer, verifySignature } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sign } from "./real-keys.js";

const { subtle } = webcrypto;
const prototype: webcrypto.SubtleCrypto = Object.getPrototypeOf(subtle);
const native = { sign: prototype.sign, property: Object.getOwnPropertyDescriptor(prototype, "sign") ?? {} };
const ecdsa = { name: "ECDSA", hash: "SHA-256" };
const data = new Uint8Array([1, 2, 3]);

/** Imports a copy of the package that no other test has. */
async function newCopy() {
  vi.resetModules();
  return import("hardproof/webcrypto");
}

let signer: Signer;
let own: webcrypto.CryptoKey;
beforeEach(async () => {
  signer = MemorySigner.generate();
  own = (await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"])).privateKey;
});
afterEach(() => {
  Object.defineProperty(prototype, "sign", native.property);
});

/** Returns whether the pair signs with the signer. */
async function works({ privateKey }: webcrypto.CryptoKeyPair): Promise<boolean> {
  const signature = await sign(ecdsa, privateKey, data);
  return verifySignature(await signer.publicJwk(), data, new Uint8Array(signature));
}

/** Another library's patch, which counts the calls. */
function otherPatch() {
  const below = prototype.sign;
  const patched = vi.fn(function (this: webcrypto.SubtleCrypto, ...args: Parameters<typeof below>) {
    return below.apply(this, args);
  });
  prototype.sign = patched;
  return { patched, below, remove: () => Object.defineProperty(prototype, "sign", { value: below }) };
}

describe("the patch", () => {
  it("is made by the first pair, not by the import", async () => {
    const { toCryptoKeyPair } = await newCopy();
    expect(prototype.sign).toBe(native.sign);
    await toCryptoKeyPair(signer);
    expect(prototype.sign).not.toBe(native.sign);
    expect(Object.keys(subtle)).toEqual([]);
  });

  it("is made once, also by concurrent calls", async () => {
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    await Promise.all([toCryptoKeyPair(signer), toCryptoKeyPair(signer)]);
    const patched = prototype.sign;
    await toCryptoKeyPair(signer);
    expect(prototype.sign).toBe(patched);
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(native.sign);
  });

  it("has the name, the length and the attributes of the native function", async () => {
    await (await newCopy()).toCryptoKeyPair(signer);
    expect([prototype.sign.name, prototype.sign.length]).toEqual(["sign", 3]);
    const { value: _, ...attributes } = Object.getOwnPropertyDescriptor(prototype, "sign") ?? {};
    expect({ ...attributes, value: native.sign }).toEqual(native.property);
  });

  it("passes calls with other keys on, with their receiver and arguments, and returns what they return", async () => {
    const returned = Promise.resolve(new ArrayBuffer(0));
    const below = vi.fn(() => returned);
    const { toCryptoKeyPair } = await newCopy();
    await toCryptoKeyPair(signer);
    Object.defineProperty(prototype, "sign", { value: below });
    await toCryptoKeyPair(signer);
    const receiver = { receiver: true };
    for (const args of [[ecdsa, own, data], [ecdsa, own, data, "more"], [ecdsa], [], [ecdsa, "key"]]) {
      expect(Reflect.apply(prototype.sign, receiver, args)).toBe(returned);
      expect(below).toHaveBeenLastCalledWith(...args);
      expect(below.mock.contexts.at(-1)).toBe(receiver);
    }
  });

  it("doesn't change the signatures and errors of other keys", async () => {
    await (await newCopy()).toCryptoKeyPair(signer);
    const key = { name: "HMAC", hash: "SHA-256" };
    const secret = await subtle.importKey("raw", new Uint8Array(32), key, false, ["sign"]);
    const expected = await native.sign.call(subtle, "HMAC", secret, data);
    expect(await subtle.sign("HMAC", secret, data)).toEqual(expected);
    await expect(sign({ name: "ECDSA" }, own, data)).rejects.toMatchObject({ code: "ERR_MISSING_OPTION" });
    await expect(sign("HMAC", own, data)).rejects.toMatchObject({ name: "InvalidAccessError" });
    await expect(sign()).rejects.toMatchObject({ code: "ERR_MISSING_ARGS" });
  });
});

describe("restoreSubtleCrypto", () => {
  it("restores the native function, and may be called without a patch and twice", async () => {
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(native.sign);
    const pair = await toCryptoKeyPair(signer);
    restoreSubtleCrypto();
    restoreSubtleCrypto();
    expect(Object.getOwnPropertyDescriptor(prototype, "sign")).toEqual(native.property);
    expect(await works(pair)).toBe(false);
  });

  it("leaves a patch alone that another library made afterwards, and takes back what is left later", async () => {
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    const pair = await toCryptoKeyPair(signer);
    const other = otherPatch();
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(other.patched);
    expect(await works(pair)).toBe(false);
    expect(other.patched).toHaveBeenCalledOnce();
    other.remove();
    expect(await works(pair)).toBe(false);
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(native.sign);
  });

  it("lets a signature end that is in flight", async () => {
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    const signing = works(await toCryptoKeyPair(signer));
    restoreSubtleCrypto();
    expect(await signing).toBe(true);
  });
});

describe("with another library's patch", () => {
  it("works over it", async () => {
    const other = otherPatch();
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    const pair = await toCryptoKeyPair(signer);
    other.patched.mockClear();
    expect(await works(pair)).toBe(true);
    expect(other.patched).not.toHaveBeenCalled();
    await sign(ecdsa, own, data);
    expect(other.patched).toHaveBeenCalledOnce();
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(other.patched);
  });

  it("works under it, and doesn't patch over it for the next pair", async () => {
    const { toCryptoKeyPair } = await newCopy();
    const pair = await toCryptoKeyPair(signer);
    const other = otherPatch();
    const next = await toCryptoKeyPair(signer);
    expect(prototype.sign).toBe(other.patched);
    other.patched.mockClear();
    expect([await works(pair), await works(next)]).toEqual([true, true]);
    expect(other.patched).toHaveBeenCalledTimes(2);
  });

  it("patches again if the other library has removed the patch with its own", async () => {
    const other = otherPatch();
    const { restoreSubtleCrypto, toCryptoKeyPair } = await newCopy();
    const pair = await toCryptoKeyPair(signer);
    other.remove();
    expect(await works(pair)).toBe(false);
    const next = await toCryptoKeyPair(signer);
    expect([await works(pair), await works(next)]).toEqual([true, true]);
    restoreSubtleCrypto();
    expect(prototype.sign).toBe(native.sign);
  });

  it("works over one that rejects keys which it doesn't know", async () => {
    prototype.sign = () => Promise.reject(new Error("Which key is this?"));
    const { toCryptoKeyPair } = await newCopy();
    expect(await works(await toCryptoKeyPair(signer))).toBe(true);
    await expect(sign(ecdsa, own, data)).rejects.toThrow("Which key is this?");
  });

  it("works over one that throws instead of rejecting", async () => {
    const fail = () => {
      throw new Error("Which key is this?");
    };
    prototype.sign = fail;
    expect(await works(await (await newCopy()).toCryptoKeyPair(signer))).toBe(true);
    expect(() => sign(ecdsa, own, data)).toThrow("Which key is this?");
  });

  it("rejects the pair if the other library has replaced sign of crypto.subtle itself", async () => {
    const { toCryptoKeyPair } = await newCopy();
    const bound = native.sign.bind(subtle);
    Object.defineProperty(subtle, "sign", { value: bound, configurable: true });
    const error = {
      name: "SignerError",
      code: "misconfigured",
      message: expect.stringContaining("crypto.subtle itself"),
    };
    await expect(toCryptoKeyPair(signer)).rejects.toMatchObject(error);
    Reflect.deleteProperty(subtle, "sign");
  });
});

describe("two copies of the package", () => {
  it("work beside each other, whichever restores first", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const copies = [await newCopy(), await newCopy()];
      const pairs = await Promise.all(copies.map(({ toCryptoKeyPair }) => toCryptoKeyPair(signer)));
      expect(await Promise.all(pairs.map(works))).toEqual([true, true]);
      const [first, second] = order;
      copies[first]?.restoreSubtleCrypto();
      expect(await Promise.all(pairs.map(works))).toEqual([first !== 0, first !== 1]);
      copies[second]?.restoreSubtleCrypto();
      expect(await Promise.all(pairs.map(works))).toEqual([false, false]);
      copies[first]?.restoreSubtleCrypto();
      expect(prototype.sign).toBe(native.sign);
    }
  });
});

it("rejects the pair if the prototype is frozen", async () => {
  const code = `
    const { parentPort } = require("node:worker_threads");
    Object.freeze(SubtleCrypto.prototype);
    (async () => {
      const { toCryptoKeyPair } = await import("hardproof/webcrypto");
      const { MemorySigner } = await import("hardproof/memory");
      await toCryptoKeyPair(MemorySigner.generate()).catch(({ code, message }) => parentPort.postMessage({ code, message }));
    })();`;
  const worker = new Worker(code, { eval: true });
  const [error] = await once(worker, "message");
  await worker.terminate();
  expect(error).toEqual({ code: "misconfigured", message: expect.stringContaining("is frozen") });
});
