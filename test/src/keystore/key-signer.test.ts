/** `KeySigner`: what it does for every key store, and what it rejects from any of them. */
import { constants, createHash, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { inspect } from "node:util";
import {
  DPoPProver,
  KeySigner,
  type KeySignerOptions,
  type KeySource,
  type OpenKey,
  type OpenKeyOptions,
  type StoreSignature,
  verifySignature,
} from "hardproof";
import { describe, expect, it, vi } from "vitest";
import { generateSoftwareKey } from "../../../src/keystore/software-key.js";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = pair.publicKey.export({ type: "spki", format: "der" });
const data = Buffer.from("data");
const der = (message: Uint8Array, key = pair.privateKey): StoreSignature => ({
  signature: sign("sha256", message, key),
  form: "der",
});
const never = () => new Promise<never>(() => undefined);

type SignMessage = (message: Uint8Array, options: OpenKeyOptions) => StoreSignature | Promise<StoreSignature>;
const asynchronously: SignMessage = async (message) => der(message);

/** A store in memory. By default it responds asynchronously, as a remote store does. */
function store(signMessage = asynchronously, more: { publicKey?: Uint8Array; keyRef?: string } = {}) {
  return {
    publicKey: spki,
    signMessage: vi.fn(signMessage),
    describe: () => ({ protection: "hsm", exportable: false, evidence: { from: "store" } }) as const,
    close: vi.fn(),
    ...more,
  };
}
function newSigner(open: KeySource["open"], options?: KeySignerOptions): KeySigner {
  return new KeySigner({ provider: "test", uri: "test:key", open }, options);
}
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("the option publicKey", () => {
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), alg: "ES256" };

  it("is passed to the store, which can then do without its own copy", async () => {
    const open = vi.fn<KeySource["open"]>((_, publicKey) => ({ ...store(), publicKey: publicKey ?? spki }));
    const signer = newSigner(open, { publicKey: pair.publicKey });
    expect(await signer.publicJwk()).toEqual(jwk);
    expect(open.mock.calls[0]?.[1]).toEqual(spki);
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it("isn't passed if the caller has none", async () => {
    const open = vi.fn<KeySource["open"]>(() => store());
    await newSigner(open).publicJwk();
    expect(open.mock.calls[0]?.[1]).toBeUndefined();
  });

  it("of another key is rejected when the store returns the key's own, and the key is closed", async () => {
    const key = store();
    const signer = newSigner(() => key, { publicKey: other.publicKey });
    expect(await caught(signer.publicJwk())).toMatchObject({
      code: "wrong-key",
      message: expect.stringContaining("isn't the key of the option publicKey"),
    });
    expect(key.close).toHaveBeenCalledTimes(1);
  });

  it("of another key fails the first signature if the store relied on it, and is forgotten by a cache", async () => {
    const forgetPublicKey = vi.fn();
    const publicKey = other.publicKey.export({ type: "spki", format: "der" });
    const signer = newSigner(() => ({ ...store(), publicKey, forgetPublicKey }), { publicKey, verify: "first" });
    expect(await caught(signer.sign(data))).toMatchObject({
      code: "integrity",
      message: expect.stringContaining("Check the option publicKey"),
    });
    expect(forgetPublicKey).toHaveBeenCalledTimes(1);
  });

  it("isn't blamed or forgotten for a wrong signature after a right one", async () => {
    const forgetPublicKey = vi.fn();
    const sign = vi.fn(asynchronously);
    const signer = newSigner(() => ({ ...store(sign), forgetPublicKey }), { publicKey: pair.publicKey });
    await signer.sign(data);
    sign.mockImplementation(async (message) => der(message, other.privateKey));
    const error = await caught(signer.sign(data));
    expect(error).toMatchObject({ code: "integrity" });
    expect(error.message).not.toContain("publicKey");
    expect(forgetPublicKey).not.toHaveBeenCalled();
  });
});

describe("opening", () => {
  it("opens the key at the first use, and never for a signer that is closed unused", async () => {
    const open = vi.fn(() => store());
    await newSigner(open).close();
    expect(open).not.toHaveBeenCalled();
  });

  it("opens the key once for 50 concurrent callers of all methods", async () => {
    const open = vi.fn(async () => store());
    const signer = newSigner(open);
    const calls = Array.from(
      { length: 50 },
      (_, n) => [signer.publicJwk(), signer.sign(data), signer.describe()][n % 3],
    );
    await Promise.all(calls);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it("opens the key again at the next call after a failure", async () => {
    const open = vi.fn(async () => store()).mockRejectedValueOnce(new Error("no route"));
    const signer = newSigner(open);
    const errors = await Promise.all([signer.sign(data), signer.publicJwk()].map(caught));
    for (const error of errors)
      expect(error).toMatchObject({ name: "SignerError", code: "unexpected", uri: "test:key" });
    expect(await signer.sign(data)).toHaveLength(64);
    expect(open).toHaveBeenCalledTimes(2);
  });

  it("stops opening at the timeout, and closes a key that arrives later", async () => {
    const late = store();
    let arrive: (key: OpenKey) => void = () => undefined;
    const signer = newSigner(
      () =>
        new Promise<OpenKey>((resolve) => {
          arrive = resolve;
        }),
      { timeout: 20 },
    );
    expect(await caught(signer.sign(data))).toMatchObject({ code: "timeout", retryable: true });
    arrive(late);
    await expect.poll(() => late.close.mock.calls.length).toBe(1);
  });

  it("rejects a key of another type, names both types, and closes the key", async () => {
    const wrong = store();
    const error = await caught(newSigner(() => wrong, { algorithm: "ES384" }).sign(data));
    const message = "test:key: ES384 needs an EC key on P-384, but this key is EC P-256.";
    expect(error).toMatchObject({ code: "wrong-key", message });
    expect(wrong.close).toHaveBeenCalledTimes(1);
    expect(wrong.signMessage).not.toHaveBeenCalled();
  });

  it("continues opening for the other callers when one of them aborts", async () => {
    let arrive: () => void = () => undefined;
    const signer = newSigner(async () => {
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      return store();
    });
    const aborting = new AbortController();
    const aborted = caught(signer.sign(data, { signal: aborting.signal }));
    const waiting = signer.sign(data);
    aborting.abort(new Error("enough"));
    expect(await aborted).toMatchObject({ code: "aborted", retryable: false });
    arrive();
    expect(await waiting).toHaveLength(64);
  });

  it("doesn't open the key for an already aborted caller, and leaves no unhandled rejection", async () => {
    const open = vi.fn(async () => Promise.reject(new Error("no token in the slot")));
    const [unhandled, signal] = [vi.fn(), AbortSignal.abort()];
    process.on("unhandledRejection", unhandled);
    const calls = [
      newSigner(open).publicJwk({ signal }),
      newSigner(open).sign(data, { signal }),
      newSigner(open).describe({ signal }),
      DPoPProver.create(newSigner(open), { signal }),
    ];
    for (const error of await Promise.all(calls.map(caught))) expect(error).toMatchObject({ code: "aborted" });
    await setImmediate(); // unhandled rejections are reported after the microtasks
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(open).not.toHaveBeenCalled();
  });
});

describe("signing", () => {
  it.each([
    ["ES384", "sha384", "raw"],
    ["ES512", "sha512", "der"],
    ["PS256", "sha256", "raw"],
    ["RS512", "sha512", "der"],
    ["Ed25519", undefined, "der"],
  ] as const)("passes a store that signs digests what %s signs: by %s", async (algorithm, hashName, form) => {
    const software = generateSoftwareKey(algorithm);
    const dsaEncoding = form === "der" ? "der" : "ieee-p1363";
    const inputs: Uint8Array[] = [];
    const signDigest = (digest: Uint8Array): StoreSignature => {
      inputs.push(digest);
      const key = { key: software.privateKey, ...software.algorithm.options, dsaEncoding } as const;
      return { signature: sign(hashName, data, key), form };
    };
    const { describe, close } = store();
    const open = (): OpenKey => ({ publicKey: software.jwk, describe, close, signDigest });
    const signature = await newSigner(open, { algorithm }).sign(data);
    expect(inputs).toEqual([hashName ? createHash(hashName).update(data).digest() : data]);
    expect(verifySignature(software.jwk, data, signature)).toBe(true);
  });

  it.each([
    ["Ed25519", 63],
    ["PS256", 383],
    ["ES384", 95],
  ] as const)("rejects a signature of another length for %s", async (algorithm, bytes) => {
    const { jwk } = generateSoftwareKey(algorithm);
    const key = { ...store(), publicKey: jwk, signMessage: () => ({ signature: Buffer.alloc(bytes, 1), form: "raw" }) };
    const error = await caught(newSigner(() => key as OpenKey, { verify: "first" }).sign(data));
    expect(error).toMatchObject({ code: "integrity", message: expect.stringContaining(`has ${bytes} bytes`) });
  });

  it("asks for the algorithm of an RSA key whose provider returns SPKI, and takes the option", async () => {
    const { privateKey } = generateSoftwareKey("PS256");
    const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
    const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const signMessage: SignMessage = (message) => ({
      signature: sign("sha256", message, { key: privateKey, ...options }),
      form: "raw",
    });
    const open = () => store(signMessage, { publicKey });
    expect(await caught(newSigner(open).sign(data))).toMatchObject({ code: "misconfigured", uri: "test:key" });
    expect(await newSigner(open, { algorithm: "PS256" }).sign(data)).toHaveLength(384);
    expect(await caught(newSigner(open, { algorithm: "RS256" }).sign(data))).toMatchObject({ code: "integrity" });
  });

  it("rejects a key that the provider opened for another algorithm than the option's, and an unknown option", async () => {
    const { jwk } = generateSoftwareKey("PS256");
    const open = () => ({ ...store(), publicKey: jwk });
    const message = expect.stringContaining("may only sign with PS256, not with RS256");
    expect(await caught(newSigner(open, { algorithm: "RS256" }).sign(data))).toMatchObject({
      code: "wrong-key",
      message,
    });
    expect(() => newSigner(open, { algorithm: "HS256" as "ES256" })).toThrow(
      "test:key: algorithm must be one of ES256",
    );
  });

  it("passes the store the message, or its SHA-256 digest if the store signs digests", async () => {
    const digests: Uint8Array[] = [];
    const { publicKey, describe, close } = store();
    const key: OpenKey = {
      publicKey,
      describe,
      close,
      signDigest: (digest) => {
        digests.push(digest);
        return der(data);
      },
    };
    expect(await newSigner(() => key).sign(data)).toHaveLength(64);
    expect(Buffer.from(digests[0] ?? "").toString("hex")).toBe(
      "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
    );
  });

  it("calls a function that returns the message when the request leaves the provider's queue, and only once", async () => {
    const { publicKey, describe, close } = store();
    const queue: (() => void)[] = [];
    const key: OpenKey = {
      publicKey,
      describe,
      close,
      signQueued: async (digest) => {
        await new Promise<void>((resolve) => queue.push(resolve));
        digest();
        return der(digest().length === 32 ? data : Buffer.from("other"));
      },
    };
    const message = vi.fn(() => data);
    const signing = newSigner(() => key).sign(message);
    await vi.waitFor(() => expect(queue).toHaveLength(1));
    expect(message).not.toHaveBeenCalled();
    queue[0]?.();
    expect(await signing).toHaveLength(64);
    expect(message).toHaveBeenCalledTimes(1);
  });

  it("throws what a function that returns the message throws, unchanged", async () => {
    const error = new RangeError("from the caller");
    const failing = () => {
      throw error;
    };
    expect(await caught(newSigner(() => store()).sign(failing))).toBe(error);
  });

  it("accepts a signature directly, from a promise, and from any other thenable", async () => {
    class SdkPromise implements PromiseLike<StoreSignature> {
      readonly #signature: Promise<StoreSignature>;
      constructor(message: Uint8Array) {
        this.#signature = Promise.resolve(der(message));
      }
      // biome-ignore lint/suspicious/noThenProperty: this test is about thenables
      then: Promise<StoreSignature>["then"] = (...handlers) => this.#signature.then(...handlers);
    }
    const thenable = (message: Uint8Array) => new SdkPromise(message) as never;
    for (const signMessage of [(message: Uint8Array) => der(message), asynchronously, thenable])
      expect(await newSigner(() => store(signMessage)).sign(data)).toHaveLength(64);
  });

  it.each<[string, (message: Uint8Array) => StoreSignature]>([
    ["another key's signature", (message) => der(message, other.privateKey)],
    ["a signature of other data", () => der(Buffer.from("other data"))],
    ["DER that is declared as raw", (message) => ({ ...der(message), form: "raw" })],
    ["63 bytes", () => ({ signature: Buffer.alloc(63, 1), form: "raw" })],
    ["64 zeros", () => ({ signature: Buffer.alloc(64), form: "raw" })],
    ["an empty signature", () => ({ signature: Buffer.alloc(0), form: "der" })],
  ])("rejects %s", async (_, signMessage) => {
    const signer = newSigner(() => store(async (message) => signMessage(message)));
    expect(await caught(signer.sign(data))).toMatchObject({ code: "integrity", retryable: false, uri: "test:key" });
  });

  it("rejects a signature whose keyRef is missing or differs from that of the pinned key", async () => {
    for (const keyRef of ["key/2", undefined]) {
      const signMessage = async (message: Uint8Array) => ({ ...der(message), ...(keyRef && { keyRef }) });
      const signer = newSigner(() => store(signMessage, { keyRef: "key/1" }));
      expect(await caught(signer.sign(data))).toMatchObject({ code: "integrity" });
    }
  });

  it('verifies each signature, or with `verify: "first"` only until one is valid', async () => {
    const secondSignatureByOtherKey = () => {
      let count = 0;
      return store(async (message) => der(message, count++ === 1 ? other.privateKey : undefined));
    };
    const always = newSigner(secondSignatureByOtherKey);
    const first = newSigner(secondSignatureByOtherKey, { verify: "first" });
    await Promise.all([always.sign(data), first.sign(data)]);
    expect(await caught(always.sign(data))).toMatchObject({ code: "integrity" });
    expect(await first.sign(data)).toHaveLength(64);
  });

  it("ends a signature at the timeout, and aborts the signal that was passed to the store", async () => {
    let signal: AbortSignal | undefined;
    const key = store((_, options) => {
      signal = options.signal;
      return never();
    });
    const error = await caught(newSigner(() => key, { timeout: 20 }).sign(data));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("20 ms") });
    expect(signal?.aborted).toBe(true);
  });

  it("ends a signature when the caller aborts, before or during the call, with the reason as cause", async () => {
    const key = store(never);
    const signer = newSigner(() => key);
    const reason = new Error("the user left");
    expect(await caught(signer.sign(data, { signal: AbortSignal.abort(reason) }))).toMatchObject({ code: "aborted" });
    expect(key.signMessage).not.toHaveBeenCalled();
    const controller = new AbortController();
    const error = caught(signer.sign(data, { signal: controller.signal }));
    await expect.poll(() => key.signMessage.mock.calls.length).toBe(1);
    controller.abort(reason);
    expect(await error).toMatchObject({ code: "aborted", cause: { message: "the user left" } });
  });

  it("removes its listeners from a signal that is reused", async () => {
    const { signal } = new AbortController();
    const signer = newSigner(() => store());
    const [add, remove] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
    for (let call = 0; call < 20; call++) await signer.sign(data, { signal });
    expect(add.mock.calls.length).toBeGreaterThan(0);
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });
});

describe("errors of a store", () => {
  it("converts a store's error to a SignerError, without the properties in which SDKs store requests", async () => {
    const sdk = Object.assign(new Error("503"), {
      code: "Unavailable",
      $request: { headers: { authorization: "s3cr3t" } },
    });
    const signer = newSigner(() => store(() => Promise.reject(sdk)));
    const error = await caught(signer.sign(data));
    expect(error).toMatchObject({
      name: "SignerError",
      code: "unexpected",
      retryable: false,
      message: "test:key: The key store failed: Error Unavailable: 503.",
      cause: { code: "Unavailable" },
    });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("s3cr3t");
  });

  it("repeats one line of an error that its provider doesn't know, without control characters", async () => {
    const long = Object.assign(new TypeError(`ERR \u001b[31mred ${"x".repeat(400)}\nsecond line`), { code: 7 });
    const { message } = await caught(newSigner(() => store(() => Promise.reject(long))).sign(data));
    expect(message).toMatch(/^test:key: The key store failed: TypeError 7: ERR {2}?\[31mred x+…\.$/);
    expect(message.length).toBeLessThan(400);
    const { message: thrown } = await caught(newSigner(() => store(() => Promise.reject("s3cr3t"))).sign(data));
    expect(thrown).toBe("test:key: The key store failed: it threw a value that isn't an error.");
  });

  it("handles thrown and rejected errors of a store alike", async () => {
    const boom = () => {
      throw new Error("boom");
    };
    for (const signMessage of [boom, async () => boom()])
      expect(await caught(newSigner(() => store(signMessage)).sign(data))).toMatchObject({ code: "unexpected" });
    expect(await caught(newSigner(boom).sign(data))).toMatchObject({ code: "unexpected" });
  });
});

describe("closing", () => {
  it("waits for signatures in flight, closes the key once, and rejects all later calls", async () => {
    const responses: (() => void)[] = [];
    const key = store(
      (message) =>
        new Promise((resolve) => {
          responses.push(() => resolve(der(message)));
        }),
    );
    const signer = newSigner(() => key);
    const signing = [signer.sign(data), signer.sign(data)];
    await expect.poll(() => responses.length).toBe(2);
    const closing = [signer.close(), signer.close()];
    expect(key.close).not.toHaveBeenCalled();
    for (const respond of responses) respond();
    for (const signature of await Promise.all(signing)) expect(signature).toHaveLength(64);
    await Promise.all(closing);
    expect(key.close).toHaveBeenCalledTimes(1);
    for (const call of [signer.sign(data), signer.publicJwk(), signer.describe()])
      expect(await caught(call)).toMatchObject({ code: "misconfigured", message: expect.stringContaining("closed") });
  });

  it("completes a signature that was requested while the key is being opened", async () => {
    const signer = newSigner(async () => store());
    const signing = signer.sign(data);
    await signer.close();
    expect(await signing).toHaveLength(64);
  });

  it("stops waiting in close() at the timeout if the store never responds", async () => {
    const key = store(never);
    const signer = newSigner(() => key, { timeout: 20 });
    const signing = caught(signer.sign(data));
    await signer.close();
    expect(await signing).toMatchObject({ code: "timeout" });
    expect(key.close).toHaveBeenCalledTimes(1);
  });

  it("doesn't wait in close() for a signature that was aborted while it was queued", async () => {
    const starts: (() => void)[] = [];
    const slowly: SignMessage = async (message) => {
      await new Promise<void>((resolve) => starts.push(resolve));
      return der(message);
    };
    const signer = newSigner(() => ({ ...store(slowly), maxInFlight: 1 }));
    await signer.publicJwk();
    const controller = new AbortController();
    const [first, aborted, last] = [
      signer.sign(data),
      caught(signer.sign(data, { signal: controller.signal })),
      signer.sign(data),
    ];
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    await expect.poll(() => starts.length).toBe(1);
    starts[0]?.();
    await first;
    await expect.poll(() => starts.length).toBe(2);
    starts[1]?.();
    await last;
    await signer.close(); // would end only after 30 s
  }, 20_000);

  it("closes the key at the end of `await using`", async () => {
    const key = store();
    {
      await using signer = newSigner(() => key);
      await signer.sign(data);
    }
    expect(key.close).toHaveBeenCalledTimes(1);
  });
});

it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])(
  "rejects a timeout of %d in the constructor",
  (timeout) => {
    expect(() => newSigner(() => store(), { timeout })).toThrow(expect.objectContaining({ code: "misconfigured" }));
  },
);

it("describes the key with the facts of the store and its thumbprint", async () => {
  expect(await newSigner(() => store()).describe()).toEqual({
    provider: "test",
    uri: "test:key",
    alg: "ES256",
    jkt: expect.stringMatching(/^[\w-]{43}$/),
    protection: "hsm",
    exportable: false,
    evidence: { from: "store" },
  });
});
