/** The kit is tested too: a good signer passes each case, and each way to be wrong fails the one case that is about it. */
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
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey;

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

type Make = (source: KeySource, options?: KeySignerOptions) => Signer;
const unbroken: Make = (source, options) => new KeySigner(source, options);

function fixtureOf(make: Make, limits: Pick<Fixture, "patience" | "signatures"> = {}): Fixture {
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
      open: () => make(store(async () => ({ ...goodKey, publicKey: p384.export({ type: "spki", format: "der" }) }))),
      found: "secp384r1",
    },
    hanging: (options) =>
      make(
        store(async () => ({ ...goodKey, signMessage: () => new Promise(() => {}) })),
        options,
      ),
    failsFirst: () => {
      let tries = 0;
      return make(
        store(async () => {
          tries += 1;
          if (tries === 1) throw new SignerError("unavailable", "The store is away.");
          return goodKey;
        }),
      );
    },
  };
}

/** Names of the cases that fail. */
async function failuresOf(fixture: Fixture): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of conformance(fixture)) await run().catch(() => failed.push(name));
  return failed;
}

describe("a good signer", () => {
  for (const { name, run, notApplicable } of conformance(fixtureOf(unbroken)))
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a fixture that has no more than a signer", () => {
  it("is told which cases that leaves out, and why", () => {
    const cases = conformance({ open: () => unbroken({ provider: "test", uri: "test:", open: () => goodKey }) });
    const reasons = cases.flatMap(({ notApplicable }) => notApplicable ?? []);
    expect(new Set(reasons)).toEqual(
      new Set(
        ["connections", "hanging", "failsFirst", "wrongKey", "secrets"].map((n) => `The fixture has no \`${n}\`.`),
      ),
    );
    expect(reasons.length).toBeLessThan(cases.length / 2);
  });

  it("is reported with its own reason where it gives one", () => {
    const cases = conformance({ ...fixtureOf(unbroken), hanging: "The store can't hang.", onEventLoop: "In memory." });
    expect(cases.flatMap(({ notApplicable }) => notApplicable ?? [])).toEqual([
      "In memory.",
      "The store can't hang.",
      "The store can't hang.",
    ]);
  });
});

/** Changes every so-many-th signature, as a leading zero or a rare race does. */
function everySoOften(change: (data: Uint8Array, signature: Uint8Array) => Uint8Array) {
  return class extends KeySigner {
    #count = 0;
    override async sign(data: Uint8Array, options?: SignOptions) {
      const signature = await super.sign(data, options);
      this.#count += 1;
      return this.#count % 80 === 0 ? change(data, signature) : signature;
    }
  };
}

/** Changes the input before it is signed. */
function overOther(input: (data: Uint8Array) => Uint8Array) {
  return class extends KeySigner {
    override sign(data: Uint8Array, options?: SignOptions) {
      return super.sign(input(data), options);
    }
  };
}

function withKey(change: (jwk: PublicJwk) => PublicJwk) {
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

/** Changes each error of one code. */
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
  #asked = false;
  override async publicJwk(options?: SignOptions) {
    const jwk = await super.publicJwk(options);
    if (this.#asked) return Object.freeze({ ...jwk, x: jwk.y, y: jwk.x });
    this.#asked = true;
    return jwk;
  }
}

/** Gives who comes while another waits that one's answer. */
class MixesAnswersUp extends KeySigner {
  #waiting: Promise<Uint8Array> | undefined;
  override async sign(data: Uint8Array, options?: SignOptions) {
    const [other, own] = [this.#waiting, super.sign(data, options)];
    this.#waiting = own;
    try {
      const answer = await own;
      return other ? await other : answer;
    } finally {
      this.#waiting = undefined;
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

class RemembersFailure extends KeySigner {
  #failure: unknown;
  override async publicJwk(options?: SignOptions) {
    if (this.#failure) throw this.#failure;
    return super.publicJwk(options).catch((error) => {
      if (error.code === "unavailable") this.#failure = error;
      throw error;
    });
  }
}

/** But for the one that the cases about errors abort. */
class SignsWhatWasAborted extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted && options.signal.reason !== "enough" ? {} : options);
  }
}

class LooksAtTheSignalOnce extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted ? options : {});
  }
}

/** But for the one byte that the cases about errors sign. */
class AnswersTooLate extends KeySigner {
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
    if (this.#closed) throw new Error("closed already");
    this.#closed = true;
    return super.close();
  }
}

class ClosesAtOnce extends KeySigner {
  override async close() {
    super.close();
  }
}

class KnowsItsKeyAfterClose extends KeySigner {
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

class HoldsItsPin extends KeySigner {
  readonly options = { pin: PIN };
}

class PrintsItsPin extends KeySigner {
  [inspect.custom]() {
    return `<signer, logged in with ${Buffer.from(PIN).toString("base64")}>`;
  }
}

/** In the header of its proofs alone. */
class IsOfAnotherAlgorithm extends KeySigner {
  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    Object.assign(this, { alg: "ES384" });
  }
  override async describe(options?: SignOptions) {
    return { ...(await super.describe(options)), alg: "ES256" as const };
  }
}

/** Holds the event loop until it has signed. */
const blocking: Make = (source, options) =>
  new KeySigner(
    {
      ...source,
      open: async (use) => {
        const key = await source.open(use);
        if (key !== goodKey) return key;
        return { ...key, signMessage: (data) => ({ signature: sign("sha256", data, raw), form: "raw" }) };
      },
    },
    options,
  );

const made =
  (Mutant: new (source: KeySource, options?: KeySignerOptions) => Signer): Make =>
  (source, options) =>
    new Mutant(source, options);
const own = ({ code, message, uri }: SignerError, change: { message?: string; uri?: string }) =>
  new SignerError(code, change.message ?? message, { uri: change.uri ?? uri });

const mutants: [name: string, fails: RegExp, make: Make][] = [
  ["a member too many in the JWK", /^the public key/, made(withKey((jwk) => Object.freeze({ ...jwk, kid: "1" })))],
  ["a JWK that can be changed", /^the public key/, made(withKey((jwk) => ({ ...jwk })))],
  ["another key the second time", /^the public key/, made(ChangesItsKey)],
  ["DER", /has 64 bytes/, made(everySoOften((data) => sign("sha256", data, privateKey)))],
  ["63 bytes", /has 64 bytes/, made(everySoOften((_, signature) => signature.subarray(1)))],
  [
    "another key's signature",
    /verifies with the public key/,
    made(everySoOften((data) => sign("sha256", data, { key: other, dsaEncoding: "ieee-p1363" }))),
  ],
  ["an empty input that is none", /empty input/, made(overOther((data) => (data.length > 0 ? data : Buffer.of(0))))],
  ["an input cut at 4,096 bytes", /1 MiB/, made(overOther((data) => data.subarray(0, 4096)))],
  [
    "the buffer around a view",
    /view's bytes/,
    made(overOther((data) => (Buffer.isBuffer(data) ? data : new Uint8Array(data.buffer)))),
  ],
  [
    "an input that is wiped",
    /view's bytes/,
    made(overOther((data) => (Buffer.isBuffer(data) ? data : Buffer.concat([data, data.fill(0).subarray(0, 0)])))),
  ],
  ["answers mixed up", /mix up/, made(MixesAnswersUp)],
  ["an event loop that stands still", /off the event loop/, blocking],
  ["a connect in the constructor", /not before/, made(ConnectsEarly)],
  ["a second connect", /connects once/, made(ConnectsTwice)],
  ["a failure that is remembered", /tries again/, made(RemembersFailure)],
  ["an abort that is not seen", /aborted before/, made(SignsWhatWasAborted)],
  ["an abort that comes too late", /by its signal/, made(LooksAtTheSignalOnce)],
  ["a time-out that is not kept", /time is up/, made(AnswersTooLate)],
  ["a second close that fails", /closes twice/, made(ClosesOnce)],
  ["a close that does not wait", /before it is closed/, made(ClosesAtOnce)],
  ["a key after close", /after close/, made(KnowsItsKeyAfterClose)],
  ["a dispose that does nothing", /await using/, made(IsNotDisposed)],
  ["a wrong thumbprint", /RFC 7638/, made(withDescription(({ jkt }) => ({ jkt: jkt.toLowerCase() })))],
  ["a protection of its own", /RFC 7638/, made(withDescription(() => ({ protection: "military-grade" })))],
  ["another provider's URI", /RFC 7638/, made(withDescription(() => ({ uri: "best:key" })))],
  ["another algorithm in its proofs", /jose/, made(IsOfAnotherAlgorithm)],
  [
    "a wrong key that is not named",
    /another type/,
    made(withError("wrong-key", (error) => own(error, { message: `${error.uri} can't be used.` }))),
  ],
  [
    "an error to be tried again in vain",
    /closed union/,
    made(withError("misconfigured", (error) => Object.assign(error, { retryable: true }))),
  ],
  ["an error about no key", /closed union/, made(withError("aborted", (error) => own(error, { message: "Aborted." })))],
  ["an error about another key", /closed union/, made(withError("aborted", (error) => own(error, { uri: "test:2" })))],
  ["a PIN in a field", /no secret/, made(HoldsItsPin)],
  ["a PIN in what is printed", /no secret/, made(PrintsItsPin)],
  [
    "a PIN in an error",
    /no secret/,
    made(withError("aborted", (error) => own(error, { message: `${error.message} (${PIN})` }))),
  ],
];

describe("what is wrong with a signer fails one case", () => {
  // All at once: they wait for time-outs more than they work.
  let failed: Map<Make, string[]>;
  beforeAll(async () => {
    const run = async (make: Make) => [make, await failuresOf(fixtureOf(make, { signatures: 100 }))] as const;
    failed = new Map(await Promise.all(mutants.map(([, , make]) => run(make))));
  });

  it.each(mutants)("%s", (_, expected, make) => {
    expect(failed.get(make)).toEqual([expect.stringMatching(expected)]);
  });

  it("does not keep the suite for ever", async () => {
    const stuck: Make = (source) => new KeySigner({ ...source, open: () => new Promise(() => {}) });
    const [first] = conformance(fixtureOf(stuck, { patience: 50 }));
    await expect(first?.run()).rejects.toThrow(/^Not done after 50 ms: the public key/);
  });

  it("and no case is without such a mutant", () => {
    const unused = conformance(fixtureOf(unbroken)).filter(
      ({ name }) => !mutants.some(([, fails]) => fails.test(name)),
    );
    expect(unused).toEqual([]);
  });
});
