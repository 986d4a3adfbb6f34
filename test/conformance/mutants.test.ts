/** Tests the conformance kit: a correct signer passes every case, and each defect fails exactly the case about it. */
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import {
  type KeyDescription,
  KeySigner,
  type KeySignerOptions,
  type KeySource,
  type OpenKey,
  type PublicJwk,
  type Signer,
  SignerError,
  type SignOptions,
} from "hardproof";
import { conformance, type Fixture } from "hardproof/conformance";
import { beforeAll, describe, expect, it } from "vitest";

const PIN = "secret PIN 4711";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const secp256k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;

const raw = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;

const goodKey: OpenKey = {
  publicKey: createPublicKey(privateKey).export({ type: "spki", format: "der" }),
  signMessage: async (message) => {
    await turn();
    return { signature: sign("sha256", message, raw), form: "raw" };
  },
  describe: () => ({ protection: "software", exportable: true, evidence: {} }),
  close: () => undefined,
};

type CreateSigner = (source: KeySource, options?: KeySignerOptions) => Signer;
const correct: CreateSigner = (source, options) => new KeySigner(source, options);

function fixtureOf(make: CreateSigner, limits: Pick<Fixture, "timeout" | "signatures"> = {}): Fixture {
  let connected = 0;
  const store = (open: () => Promise<OpenKey>): KeySource => ({ provider: "test", uri: "test:key-1", open });
  const good = store(async () => {
    connected += 1;
    return goodKey;
  });
  return {
    ...limits,
    open: () => make(good),
    connections: () => connected,
    secrets: [PIN],
    wrongKey: {
      open: () =>
        make(store(async () => ({ ...goodKey, publicKey: secp256k1.export({ type: "spki", format: "der" }) }))),
      found: "secp256k1",
    },
    hanging: (options) =>
      make(
        store(async () => ({ ...goodKey, signMessage: () => new Promise(() => {}) })),
        options,
      ),
    slow: {
      opening: async (options) =>
        make(
          store(() => slowly(goodKey)),
          options,
        ).publicJwk(),
      describing: async (options) => {
        const key = { ...goodKey, describe: () => slowly(goodKey.describe({ signal: new AbortController().signal })) };
        return make(
          store(async () => key),
          options,
        ).describe();
      },
    },
    failsFirst: () => {
      let attempts = 0;
      return make(
        store(async () => {
          attempts += 1;
          if (attempts === 1) throw new SignerError("unavailable", "The store can't be reached.");
          return goodKey;
        }),
      );
    },
  };
}

async function slowly<T>(value: T): Promise<Awaited<T>> {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return await value;
}

/** Returns the names of the cases that fail. */
async function failuresOf(fixture: Fixture): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of conformance(fixture)) await run().catch(() => failed.push(name));
  return failed;
}

describe("a correct signer", () => {
  for (const { name, run, notApplicable } of conformance(fixtureOf(correct)))
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a minimal fixture", () => {
  it("makes the cases that need more than a signer not applicable, with the reason", () => {
    const cases = conformance({ open: () => correct({ provider: "test", uri: "test:", open: () => goodKey }) });
    const reasons = cases.flatMap(({ notApplicable }) => notApplicable ?? []);
    expect(new Set(reasons)).toEqual(
      new Set(
        ["connections", "hanging", "failsFirst", "slow", "wrongKey", "secrets"].map(
          (n) => `The fixture doesn't define \`${n}\`.`,
        ),
      ),
    );
    expect(reasons.length).toBeLessThan(cases.length / 2);
  });

  it("uses the fixture's own reason why a case isn't applicable", () => {
    const cases = conformance({ ...fixtureOf(correct), hanging: "The store can't hang.", onEventLoop: "In memory." });
    expect(cases.flatMap(({ notApplicable }) => notApplicable ?? [])).toEqual([
      "In memory.",
      "The store can't hang.",
      "The store can't hang.",
    ]);
  });
});

/** Changes every 80th signature, because real defects are as rare: a leading zero, a race. */
function withRareSignature(change: (data: Uint8Array, signature: Uint8Array) => Uint8Array) {
  return class extends KeySigner {
    #count = 0;
    override async sign(data: Uint8Array, options?: SignOptions) {
      const signature = await super.sign(data, options);
      this.#count += 1;
      return this.#count % 80 === 0 ? change(data, signature) : signature;
    }
  };
}

/** Changes the input before signing. */
function withInput(input: (data: Uint8Array) => Uint8Array) {
  return class extends KeySigner {
    override sign(data: Message, options?: SignOptions) {
      return super.sign(typeof data === "function" ? data : input(data), options);
    }
  };
}

function withJwk(change: (jwk: PublicJwk) => PublicJwk) {
  return class extends KeySigner {
    override async publicJwk(options?: SignOptions) {
      return change(await super.publicJwk(options));
    }
  };
}

function withDescription(change: (description: KeyDescription) => Partial<Record<keyof KeyDescription, unknown>>) {
  return class extends KeySigner {
    override async describe(options?: SignOptions) {
      const description = await super.describe(options);
      return { ...description, ...change(description) } as KeyDescription;
    }
  };
}

/** Changes every error with this code. */
function withError(code: SignerError["code"], change: (error: SignerError) => Error) {
  return class extends KeySigner {
    override async sign(data: Uint8Array, options?: SignOptions) {
      return super.sign(data, options).catch((error) => {
        throw error.code === code ? change(error) : error;
      });
    }
    override async publicJwk(options?: SignOptions) {
      return super.publicJwk(options).catch((error) => {
        throw error.code === code ? change(error) : error;
      });
    }
  };
}

class ChangesItsKey extends KeySigner {
  #called = false;
  override async publicJwk(options?: SignOptions) {
    const jwk = await super.publicJwk(options);
    if (this.#called) return Object.freeze({ ...jwk, x: `${jwk.y}`, y: `${jwk.x}` });
    this.#called = true;
    return jwk;
  }
}

/** Returns the signature of the previous concurrent call. */
class MixesUpSignatures extends KeySigner {
  #inFlight: Promise<Uint8Array> | undefined;
  override async sign(data: Uint8Array, options?: SignOptions) {
    const [previous, current] = [this.#inFlight, super.sign(data, options)];
    this.#inFlight = current;
    try {
      const signature = await current;
      return previous ? await previous : signature;
    } finally {
      this.#inFlight = undefined;
    }
  }
}

class ConnectsEarly extends KeySigner {
  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    super.publicJwk().catch(() => undefined);
  }
}

class ConnectsTwice extends KeySigner {
  readonly #source: KeySource;
  #ready = false;
  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    this.#source = source;
  }
  override async publicJwk(options?: SignOptions) {
    const jwk = await super.publicJwk(options);
    if (!this.#ready) await this.#source.open({ signal: new AbortController().signal });
    this.#ready = true;
    return jwk;
  }
}

class CachesFailure extends KeySigner {
  #failure: unknown;
  override async publicJwk(options?: SignOptions) {
    if (this.#failure) throw this.#failure;
    return super.publicJwk(options).catch((error) => {
      if (error.code === "unavailable") this.#failure = error;
      throw error;
    });
  }
}

/** Ignores aborted signals, except those of the cases about errors. */
class SignsAfterAbort extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted && options.signal.reason !== "enough" ? {} : options);
  }
}

class IgnoresLateAbort extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted ? options : {});
  }
}

class DescribesWithoutTimeout extends KeySigner {
  readonly #source: KeySource;

  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    this.#source = source;
  }

  override async describe(options?: SignOptions) {
    const key = await this.#source.open({ signal: new AbortController().signal });
    await key.describe({ signal: new AbortController().signal });
    return super.describe(options);
  }
}

/** Resolves after a timeout, except for the single byte that the cases about errors sign. */
class IgnoresTimeout extends KeySigner {
  override sign(data: Uint8Array, options?: SignOptions) {
    return super.sign(data, options).catch((error) => {
      if (error.code === "timeout" && data.length > 1) return new Uint8Array(64);
      throw error;
    });
  }
}

class ClosesOnce extends KeySigner {
  #closed = false;
  override async close() {
    if (this.#closed) throw new Error("already closed");
    this.#closed = true;
    return super.close();
  }
}

class ClosesWithoutWaiting extends KeySigner {
  override async close() {
    super.close();
  }
}

class ReturnsKeyAfterClose extends KeySigner {
  #jwk: PublicJwk | undefined;
  override async publicJwk(options?: SignOptions) {
    if (this.#jwk && !options?.signal) return this.#jwk;
    this.#jwk = await super.publicJwk(options);
    return this.#jwk;
  }
}

class IsNotDisposed extends KeySigner {
  override async [Symbol.asyncDispose]() {}
}

class StoresPin extends KeySigner {
  readonly options = { pin: PIN };
}

class PrintsPin extends KeySigner {
  [inspect.custom]() {
    return `<signer, logged in with ${Buffer.from(PIN).toString("base64")}>`;
  }
}

/** Signs JWTs, and nothing else, with another key. */
class SignsProofsWithAnotherKey extends KeySigner {
  override async sign(data: Message, options?: SignOptions) {
    const signature = await super.sign(data, options);
    if (typeof data === "function") return signature;
    return Buffer.from(data).toString("latin1", 0, 3) === "eyJ"
      ? sign("sha256", data, { key: other, dsaEncoding: "ieee-p1363" })
      : signature;
  }
}

/** Signs synchronously. */
const blocking: CreateSigner = (source, options) =>
  new KeySigner(
    {
      ...source,
      open: async (options) => {
        const key = await source.open(options);
        if (key !== goodKey) return key;
        return { ...key, signMessage: (data) => ({ signature: sign("sha256", data, raw), form: "raw" }) };
      },
    },
    options,
  );

const instanceOf =
  (Mutant: new (source: KeySource, options?: KeySignerOptions) => Signer): CreateSigner =>
  (source, options) =>
    new Mutant(source, options);
const copyOf = ({ code, message, uri }: SignerError, change: { message?: string; uri?: string }) =>
  new SignerError(code, change.message ?? message, { uri: change.uri ?? uri });

type Message = Parameters<Signer["sign"]>[0];

class CallsTheFunctionTwice extends KeySigner {
  override async sign(data: Message, options?: SignOptions) {
    const signature = await super.sign(data, options);
    if (typeof data === "function") data();
    return signature;
  }
}

class CallsTheFunctionEarly extends KeySigner {
  override sign(data: Message, options?: SignOptions) {
    return super.sign(typeof data === "function" ? data() : data, options);
  }
}

const mutants: [defect: string, failingCase: RegExp, make: CreateSigner][] = [
  [
    "an additional member in the JWK",
    /^publicJwk\(\)/,
    instanceOf(withJwk((jwk) => Object.freeze({ ...jwk, kid: "1" }))),
  ],
  ["a JWK that isn't frozen", /^publicJwk\(\)/, instanceOf(withJwk((jwk) => ({ ...jwk })))],
  ["another key on the second call", /^publicJwk\(\)/, instanceOf(ChangesItsKey)],
  ["a DER signature", /has 64 bytes/, instanceOf(withRareSignature((data) => sign("sha256", data, privateKey)))],
  ["a signature of 63 bytes", /has 64 bytes/, instanceOf(withRareSignature((_, signature) => signature.subarray(1)))],
  [
    "another key's signature",
    /verifies with the public key/,
    instanceOf(withRareSignature((data) => sign("sha256", data, { key: other, dsaEncoding: "ieee-p1363" }))),
  ],
  [
    "an empty input that is replaced",
    /empty input/,
    instanceOf(withInput((data) => (data.length > 0 ? data : Buffer.of(0)))),
  ],
  ["an input truncated to 4,096 bytes", /1 MiB/, instanceOf(withInput((data) => data.subarray(0, 4096)))],
  [
    "a signature over the whole buffer of a view",
    /bytes of a view/,
    instanceOf(withInput((data) => (Buffer.isBuffer(data) ? data : new Uint8Array(data.buffer)))),
  ],
  ["a message function that is called twice", /function .* once/, instanceOf(CallsTheFunctionTwice)],
  ["a message function that is called early", /has aborted/, instanceOf(CallsTheFunctionEarly)],
  [
    "an input that is overwritten",
    /bytes of a view/,
    instanceOf(
      withInput((data) => (Buffer.isBuffer(data) ? data : Buffer.concat([data, data.fill(0).subarray(0, 0)]))),
    ),
  ],
  ["mixed up signatures", /its own caller/, instanceOf(MixesUpSignatures)],
  ["a blocked event loop", /event loop/, blocking],
  ["a connection in the constructor", /before its first use$/, instanceOf(ConnectsEarly)],
  ["a second connection", /one connection/, instanceOf(ConnectsTwice)],
  ["a cached failure", /connects again/, instanceOf(CachesFailure)],
  ["an ignored aborted signal", /already aborted/, instanceOf(SignsAfterAbort)],
  ["an ignored abort in flight", /signal aborts/, instanceOf(IgnoresLateAbort)],
  ["an ignored timeout", /time limit/, instanceOf(IgnoresTimeout)],
  ["a description without a time limit", /keep `timeout`/, instanceOf(DescribesWithoutTimeout)],
  ["a second close() that fails", /closed more than once/, instanceOf(ClosesOnce)],
  ["a close() that doesn't wait", /before close\(\) resolves/, instanceOf(ClosesWithoutWaiting)],
  ["a public key after close()", /after close/, instanceOf(ReturnsKeyAfterClose)],
  ["a dispose without effect", /await using/, instanceOf(IsNotDisposed)],
  ["a wrong thumbprint", /RFC 7638/, instanceOf(withDescription(({ jkt }) => ({ jkt: jkt.toLowerCase() })))],
  ["an unknown protection", /RFC 7638/, instanceOf(withDescription(() => ({ protection: "military-grade" })))],
  ["another provider's URI", /RFC 7638/, instanceOf(withDescription(() => ({ uri: "best:key" })))],
  ["another key in proofs", /jose/, instanceOf(SignsProofsWithAnotherKey)],
  [
    "a wrong-key error without the type",
    /another type/,
    instanceOf(withError("wrong-key", (error) => copyOf(error, { message: `${error.uri} can't be used.` }))),
  ],
  [
    "a wrong value of retryable",
    /documented code/,
    instanceOf(withError("misconfigured", (error) => Object.assign(error, { retryable: true }))),
  ],
  [
    "an error message without the key",
    /documented code/,
    instanceOf(withError("aborted", (error) => copyOf(error, { message: "Aborted." }))),
  ],
  [
    "an error with another key's URI",
    /documented code/,
    instanceOf(withError("aborted", (error) => copyOf(error, { uri: "test:2" }))),
  ],
  ["a PIN in a field", /never shows a secret/, instanceOf(StoresPin)],
  ["a PIN in the output of inspect()", /never shows a secret/, instanceOf(PrintsPin)],
  [
    "a PIN in an error",
    /never shows a secret/,
    instanceOf(withError("aborted", (error) => copyOf(error, { message: `${error.message} (${PIN})` }))),
  ],
];

describe("the conformance kit", () => {
  // Concurrent: most of their time is spent waiting for time limits.
  let failed: Map<CreateSigner, string[]>;
  beforeAll(async () => {
    const run = async (make: CreateSigner) => [make, await failuresOf(fixtureOf(make, { signatures: 100 }))] as const;
    failed = new Map(await Promise.all(mutants.map(([, , make]) => run(make))));
  });

  it.each(mutants)("fails exactly one case for a signer with %s", (_, expected, make) => {
    expect(failed.get(make)).toEqual([expect.stringMatching(expected)]);
  });

  it("fails a case that does not finish within its timeout", async () => {
    const stuck: CreateSigner = (source) => new KeySigner({ ...source, open: () => new Promise(() => {}) });
    const [first] = conformance(fixtureOf(stuck, { timeout: 50 }));
    await expect(first?.run()).rejects.toThrow(/^The case did not finish within 50 ms: publicJwk\(\)/);
  });

  it("fails each of its cases for one of these defects", () => {
    const untested = conformance(fixtureOf(correct)).filter(
      ({ name }) => !mutants.some(([, failingCase]) => failingCase.test(name)),
    );
    expect(untested).toEqual([]);
  });
});
