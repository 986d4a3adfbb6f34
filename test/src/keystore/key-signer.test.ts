/** The seam between a provider's open key and everybody else: what the core does for every store, and refuses from any. */
import { generateKeyPairSync, sign } from "node:crypto";
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
} from "hardproof";
import { describe, expect, it, vi } from "vitest";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = pair.publicKey.export({ type: "spki", format: "der" });
const data = Buffer.from("data");
const der = (message: Uint8Array, key = pair.privateKey): StoreSignature => ({
  signature: sign("sha256", message, key),
  form: "der",
});
const forever = () => new Promise<never>(() => undefined);

type SignMessage = (message: Uint8Array, use: OpenKeyOptions) => StoreSignature | Promise<StoreSignature>;
const later: SignMessage = async (message) => der(message);

/** A store in memory that answers later, as a remote one does, unless told otherwise. */
function store(signMessage = later, more: { publicKey?: Uint8Array; keyRef?: string } = {}) {
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

describe("opening", () => {
  it("does not happen before the first use, nor ever for a signer that is closed unused", async () => {
    const open = vi.fn(() => store());
    await newSigner(open).close();
    expect(open).not.toHaveBeenCalled();
  });

  it("happens once for 50 callers of every method", async () => {
    const open = vi.fn(async () => store());
    const signer = newSigner(open);
    const calls = Array.from(
      { length: 50 },
      (_, n) => [signer.publicJwk(), signer.sign(data), signer.describe()][n % 3],
    );
    await Promise.all(calls);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it("that failed is tried again by the next use", async () => {
    const open = vi.fn(async () => store()).mockRejectedValueOnce(new Error("no route"));
    const signer = newSigner(open);
    const errors = await Promise.all([signer.sign(data), signer.publicJwk()].map(caught));
    for (const error of errors)
      expect(error).toMatchObject({ name: "SignerError", code: "unavailable", uri: "test:key" });
    expect(await signer.sign(data)).toHaveLength(64);
    expect(open).toHaveBeenCalledTimes(2);
  });

  it("that takes too long is given up, and what it opens after all is closed", async () => {
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

  it("of a key of the wrong kind fails, naming both, and closes it", async () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "der" });
    const wrong = store(later, { publicKey: rsa });
    const error = await caught(newSigner(() => wrong).sign(data));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/test:key.*P-256.*rsa 2048/) });
    expect(wrong.close).toHaveBeenCalledTimes(1);
    expect(wrong.signMessage).not.toHaveBeenCalled();
  });

  it("is not given up by one caller who leaves", async () => {
    let arrive: () => void = () => undefined;
    const signer = newSigner(async () => {
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      return store();
    });
    const leaver = new AbortController();
    const left = caught(signer.sign(data, { signal: leaver.signal }));
    const stayed = signer.sign(data);
    leaver.abort(new Error("enough"));
    expect(await left).toMatchObject({ code: "aborted", retryable: false });
    arrive();
    expect(await stayed).toHaveLength(64);
  });

  it("does not happen for a caller who has given up before, and fails behind nobody's back", async () => {
    const open = vi.fn(async () => Promise.reject(new Error("the token is away")));
    const [unhandled, signal] = [vi.fn(), AbortSignal.abort()];
    process.on("unhandledRejection", unhandled);
    const calls = [
      newSigner(open).publicJwk({ signal }),
      newSigner(open).sign(data, { signal }),
      newSigner(open).describe({ signal }),
      DPoPProver.create(newSigner(open), { signal }),
    ];
    for (const error of await Promise.all(calls.map(caught))) expect(error).toMatchObject({ code: "aborted" });
    await setImmediate(); // a rejection that nobody handles is told after the microtasks
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(open).not.toHaveBeenCalled();
  });
});

describe("signing", () => {
  it("hands over the message, or its SHA-256 where the store takes a digest", async () => {
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

  it("takes answers at once, by promise, and by any other thenable", async () => {
    class SdkPromise implements PromiseLike<StoreSignature> {
      readonly #answer: Promise<StoreSignature>;
      constructor(message: Uint8Array) {
        this.#answer = Promise.resolve(der(message));
      }
      // biome-ignore lint/suspicious/noThenProperty: it is what this is about
      then: Promise<StoreSignature>["then"] = (...handlers) => this.#answer.then(...handlers);
    }
    const thenable = (message: Uint8Array) => new SdkPromise(message) as never;
    for (const signMessage of [(message: Uint8Array) => der(message), later, thenable])
      expect(await newSigner(() => store(signMessage)).sign(data)).toHaveLength(64);
  });

  it.each<[string, (message: Uint8Array) => StoreSignature]>([
    ["another key's signature", (message) => der(message, other.privateKey)],
    ["a signature of something else", () => der(Buffer.from("else"))],
    ["DER that is called raw", (message) => ({ ...der(message), form: "raw" })],
    ["63 bytes", () => ({ signature: Buffer.alloc(63, 1), form: "raw" })],
    ["64 zeros", () => ({ signature: Buffer.alloc(64), form: "raw" })],
    ["nothing", () => ({ signature: Buffer.alloc(0), form: "der" })],
  ])("refuses %s", async (_, signMessage) => {
    const signer = newSigner(() => store(async (message) => signMessage(message)));
    expect(await caught(signer.sign(data))).toMatchObject({ code: "integrity", retryable: false, uri: "test:key" });
  });

  it("refuses an answer that names another key, or none, than the pinned one", async () => {
    for (const keyRef of ["key/2", undefined]) {
      const answer = async (message: Uint8Array) => ({ ...der(message), ...(keyRef && { keyRef }) });
      const signer = newSigner(() => store(answer, { keyRef: "key/1" }));
      expect(await caught(signer.sign(data))).toMatchObject({ code: "integrity" });
    }
  });

  it("verifies each answer, or the first good one alone where that was chosen", async () => {
    const turns = () => {
      let turn = 0;
      return store(async (message) => der(message, turn++ === 1 ? other.privateKey : undefined));
    };
    const always = newSigner(turns);
    const first = newSigner(turns, { verify: "first" });
    await Promise.all([always.sign(data), first.sign(data)]);
    expect(await caught(always.sign(data))).toMatchObject({ code: "integrity" });
    expect(await first.sign(data)).toHaveLength(64);
  });

  it("ends at its time, and tells the store by the signal", async () => {
    let signal: AbortSignal | undefined;
    const key = store((_, use) => {
      signal = use.signal;
      return forever();
    });
    const error = await caught(newSigner(() => key, { timeout: 20 }).sign(data));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("20 ms") });
    expect(signal?.aborted).toBe(true);
  });

  it("ends when the caller gives up, before or during, with the reason as cause", async () => {
    const key = store(forever);
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

  it("leaves no listener on a signal that is used again and again", async () => {
    const { signal } = new AbortController();
    const signer = newSigner(() => store());
    const [add, remove] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
    for (let times = 0; times < 20; times++) await signer.sign(data, { signal });
    expect(add.mock.calls.length).toBeGreaterThan(0);
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });
});

describe("errors of a store", () => {
  it("that are no SignerError become one, without what SDKs hang on them", async () => {
    const sdk = Object.assign(new Error("503"), {
      code: "Unavailable",
      $request: { headers: { authorization: "s3cr3t" } },
    });
    const signer = newSigner(() => store(() => Promise.reject(sdk)));
    const error = await caught(signer.sign(data));
    expect(error).toMatchObject({ name: "SignerError", code: "unavailable", cause: { code: "Unavailable" } });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("s3cr3t");
  });

  it("are the same whether thrown or rejected", async () => {
    const boom = () => {
      throw new Error("boom");
    };
    for (const signMessage of [boom, async () => boom()])
      expect(await caught(newSigner(() => store(signMessage)).sign(data))).toMatchObject({ code: "unavailable" });
    expect(await caught(newSigner(boom).sign(data))).toMatchObject({ code: "unavailable" });
  });
});

describe("closing", () => {
  it("waits for what is under way, once, and then refuses everything", async () => {
    const answers: (() => void)[] = [];
    const key = store(
      (message) =>
        new Promise((resolve) => {
          answers.push(() => resolve(der(message)));
        }),
    );
    const signer = newSigner(() => key);
    const signing = [signer.sign(data), signer.sign(data)];
    await expect.poll(() => answers.length).toBe(2);
    const closing = [signer.close(), signer.close()];
    expect(key.close).not.toHaveBeenCalled();
    for (const answer of answers) answer();
    for (const signature of await Promise.all(signing)) expect(signature).toHaveLength(64);
    await Promise.all(closing);
    expect(key.close).toHaveBeenCalledTimes(1);
    for (const use of [signer.sign(data), signer.publicJwk(), signer.describe()])
      expect(await caught(use)).toMatchObject({ code: "misconfigured", message: expect.stringContaining("closed") });
  });

  it("of a signer that is just being opened makes what was asked of it before", async () => {
    const signer = newSigner(async () => store());
    const signing = signer.sign(data);
    await signer.close();
    expect(await signing).toHaveLength(64);
  });

  it("does not wait for ever for a store that never answers", async () => {
    const key = store(forever);
    const signer = newSigner(() => key, { timeout: 20 });
    const signing = caught(signer.sign(data));
    await signer.close();
    expect(await signing).toMatchObject({ code: "timeout" });
    expect(key.close).toHaveBeenCalledTimes(1);
  });

  it("happens at the end of `await using`", async () => {
    const key = store();
    {
      await using signer = newSigner(() => key);
      await signer.sign(data);
    }
    expect(key.close).toHaveBeenCalledTimes(1);
  });
});

it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])(
  "a time-out of %d is refused at the door",
  (timeout) => {
    expect(() => newSigner(() => store(), { timeout })).toThrow(expect.objectContaining({ code: "misconfigured" }));
  },
);

it("describes the key in the store's words, with its thumbprint", async () => {
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
