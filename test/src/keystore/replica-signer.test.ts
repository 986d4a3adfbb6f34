/** `replicaSigner`: which replica signs, what moves on to the next one, and what is refused. Faults are injected into stores. */
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { setTimeout } from "node:timers/promises";
import {
  DPoPProver,
  type KeyFacts,
  KeySigner,
  type KeySignerOptions,
  type OpenKeyOptions,
  type ReplicaTrace,
  replicaSigner,
  requireNonExportable,
  type SignatureTrace,
  type Signer,
  SignerError,
  type SignerErrorCode,
  signJwt,
  verifySignature,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt, jwtVerify } from "jose";
import { importJWK } from "jose/key/import";
import { describe, expect, it, vi } from "vitest";
import { type TestKey, testKey } from "../../conformance/store.js";

const data = Buffer.from("data");
const shared = testKey("ES256");
const foreign = testKey("ES256");
const NON_EXPORTABLE: KeyFacts = { protection: "hsm", exportable: false, evidence: {} };
/** Longer than any test takes. */
const NEVER = 60_000;

type Fault = (options: OpenKeyOptions) => Promise<void>;

/** A replica, whose calls fail as its faults say. */
function replica(name: string, key: TestKey = shared, options: KeySignerOptions = {}, facts = NON_EXPORTABLE) {
  const faults: { open?: Fault | undefined; sign?: Fault | undefined; describe?: Fault | undefined } = {};
  const open = vi.fn(async (context: OpenKeyOptions) => {
    await faults.open?.(context);
    return key.openKey;
  });
  const sign = vi.fn(async (message: Uint8Array, context: OpenKeyOptions) => {
    await faults.sign?.(context);
    return { signature: key.sign(message), form: "raw" } as const;
  });
  const close = vi.fn();
  const source = {
    provider: "test",
    uri: `test:${name}`,
    open: async (context: OpenKeyOptions) => {
      const { publicKey } = await open(context);
      const describe = async () => {
        await faults.describe?.(context);
        return facts;
      };
      return { publicKey, signMessage: sign, describe, close };
    },
  };
  return { signer: new KeySigner(source, options), uri: source.uri, faults, open, sign, close };
}

const fails =
  (code: SignerErrorCode): Fault =>
  async () => {
    throw new SignerError(code, `This store is ${code}.`);
  };
const hangs: Fault = ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject));
const slow =
  (milliseconds: number): Fault =>
  async () =>
    void (await setTimeout(milliseconds));

async function errorOf(promise: Promise<unknown>): Promise<SignerError> {
  const error = await promise.then(
    () => expect.unreachable("The call succeeded."),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(SignerError);
  return error;
}

async function recordReplicas(work: () => Promise<unknown>): Promise<ReplicaTrace[]> {
  const messages: ReplicaTrace[] = [];
  const record = (message: unknown) => void messages.push(message as ReplicaTrace);
  subscribe("hardproof.replica", record);
  await work().finally(() => unsubscribe("hardproof.replica", record));
  return messages;
}

describe("the keys of the replicas", () => {
  it("are compared at the first use, which names both thumbprints if they differ", async () => {
    const [a, b] = [replica("a"), replica("b", foreign)];
    const signer = replicaSigner([a.signer, b.signer]);
    const [one, other] = await Promise.all([a, b].map(async ({ signer }) => (await signer.describe()).jkt));
    for (const call of [() => signer.publicJwk(), () => signer.sign(data), () => DPoPProver.create(signer)]) {
      const { code, message, uri } = await errorOf(call());
      expect({ code, uri }).toEqual({ code: "wrong-key", uri: "test:b" });
      for (const part of [one, other, "test:a", "test:b"]) expect(message).toContain(part);
    }
    expect(a.sign).not.toHaveBeenCalled();
    expect(b.sign).not.toHaveBeenCalled();
  });

  it("must also have the same algorithm, which isn't part of the thumbprint", async () => {
    const a = MemorySigner.generate({ algorithm: "PS256" });
    const pem = String(testKey("RS256").another.export({ type: "pkcs8", format: "pem" }));
    const [ps, rs] = ["PS256", "RS256"].map((algorithm) =>
      MemorySigner.fromPem(pem, { algorithm: algorithm as "PS256" }),
    );
    if (!ps || !rs) return expect.unreachable();
    const { code, message } = await errorOf(replicaSigner([ps, rs]).publicJwk());
    expect(code).toBe("wrong-key");
    expect(message).toMatch(/RS256.*PS256/);
    await a.close();
  });

  it("a replica that is away at the start is compared before its first signature", async () => {
    const [a, b] = [replica("a"), replica("b", foreign)];
    b.faults.open = fails("unavailable");
    const signer = replicaSigner([a.signer, b.signer], { cooldown: 0 });
    expect(await signer.sign(data)).toHaveLength(64);
    b.faults.open = undefined;
    a.faults.sign = fails("unavailable");
    const { code, uri } = await errorOf(signer.sign(data));
    expect({ code, uri }).toEqual({ code: "wrong-key", uri: "test:b" });
    expect(b.sign).not.toHaveBeenCalled();
  });

  it("a replica that is away at the start signs after it has returned with the same key", async () => {
    const [a, b] = [replica("a"), replica("b")];
    a.faults.open = fails("unavailable");
    const signer = replicaSigner([a.signer, b.signer], { cooldown: 0 });
    await signer.sign(data);
    a.faults.open = undefined;
    await signer.sign(data);
    expect([a.sign.mock.calls.length, b.sign.mock.calls.length]).toEqual([1, 1]);
  });

  it("are opened at the first use only, once for 50 concurrent callers, one after the other", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const order: string[] = [];
    a.faults.open = async () => {
      order.push("a begins");
      await setTimeout(10);
      order.push("a ends");
    };
    b.faults.open = async () => void order.push("b begins");
    const signer = replicaSigner([a.signer, b.signer]);
    expect(a.open).not.toHaveBeenCalled();
    const calls = [() => signer.publicJwk(), () => signer.sign(data), () => signer.describe()];
    await Promise.all(Array.from({ length: 50 }, (_, n) => calls[n % 3]?.()));
    expect(order).toEqual(["a begins", "a ends", "b begins"]);
  });

  it("the first use succeeds while one replica hangs, and the next calls don't wait for that one", async () => {
    vi.useFakeTimers();
    try {
      const [a, b] = [replica("a"), replica("b")];
      a.faults.open = hangs;
      const signer = replicaSigner([a.signer, b.signer]);
      const signing = signer.sign(data);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await signing).toHaveLength(64);
      expect(await signer.sign(data)).toHaveLength(64);
      expect(a.sign).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("fail-over", () => {
  it.each(["unavailable", "throttled", "timeout"] as const)("%s moves on to the next replica", async (code) => {
    const [a, b] = [replica("a"), replica("b")];
    a.faults.sign = fails(code);
    const signer = replicaSigner([a.signer, b.signer]);
    const signature = await signer.sign(data);
    expect(verifySignature(await signer.publicJwk(), data, signature)).toBe(true);
    expect(b.sign).toHaveBeenCalledOnce();
  });

  it.each(["pin-incorrect", "pin-locked", "access-denied", "key-not-found", "integrity", "unexpected"] as const)(
    "%s is thrown, and the next replica isn't used",
    async (code) => {
      const [a, b] = [replica("a"), replica("b")];
      const signer = replicaSigner([a.signer, b.signer]);
      await signer.publicJwk();
      a.faults.sign = fails(code);
      expect(await errorOf(signer.sign(data))).toMatchObject({ code, uri: "test:a" });
      expect(await errorOf(signer.sign(data))).toMatchObject({ code, uri: "test:a" });
      expect(b.sign).not.toHaveBeenCalled();
    },
  );

  it("a PIN that the first replica rejects isn't tried with the next one, not even to open it", async () => {
    const [a, b] = [replica("a"), replica("b")];
    a.faults.open = fails("pin-incorrect");
    const signer = replicaSigner([a.signer, b.signer], { hedgeAfter: 1 });
    expect(await errorOf(signer.sign(data))).toMatchObject({ code: "pin-incorrect", uri: "test:a" });
    expect(b.open).not.toHaveBeenCalled();
  });

  it("a replica that failed rests, and is used again after the cooldown", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer], { cooldown: 50 });
    a.faults.sign = fails("unavailable");
    for (let n = 0; n < 10; n += 1) await signer.sign(data);
    expect(a.sign.mock.calls.length).toBeLessThan(10);
    a.faults.sign = undefined;
    await setTimeout(60);
    const before = b.sign.mock.calls.length;
    await signer.sign(data);
    expect(b.sign).toHaveBeenCalledTimes(before);
  });

  it("after the cooldown, one call tries the replica while the others don't wait for it", async () => {
    const [a, b] = [replica("a", shared, { timeout: NEVER }), replica("b")];
    const signer = replicaSigner([a.signer, b.signer], { cooldown: 30 });
    a.faults.sign = fails("unavailable");
    await signer.sign(data);
    let respond: () => void = () => undefined;
    a.faults.sign = () =>
      new Promise((resolve) => {
        respond = resolve;
      });
    await setTimeout(40);
    const calls = Array.from({ length: 20 }, () => signer.sign(data));
    expect(await Promise.all(calls.slice(1))).toHaveLength(19);
    expect(a.sign).toHaveBeenCalledTimes(2);
    respond();
    await calls[0];
  });

  it("a resting replica is used if the others fail too", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer], { cooldown: NEVER });
    a.faults.sign = fails("unavailable");
    await signer.sign(data);
    a.faults.sign = undefined;
    b.faults.sign = fails("throttled");
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it("names the error of each replica if all fail, with the code of the first", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer]);
    await signer.publicJwk();
    a.faults.sign = fails("throttled");
    b.faults.sign = fails("unavailable");
    const { code, retryable, uri, message } = await errorOf(signer.sign(data));
    expect({ code, retryable, uri }).toEqual({ code: "throttled", retryable: true, uri: "test:a" });
    for (const part of [
      "None of the 2 replicas",
      "test:a: This store is throttled.",
      "test:b: This store is unavailable.",
    ])
      expect(message).toContain(part);
  });

  it("calls the function that returns the message for each attempt", async () => {
    const [a, b] = [replica("a"), replica("b")];
    a.faults.sign = fails("unavailable");
    const signer = replicaSigner([a.signer, b.signer]);
    let calls = 0;
    const jwt = await signJwt(signer, () => ({ attempt: ++calls }));
    expect(decodeJwt(jwt)).toEqual({ attempt: 2 });
    await jwtVerify(jwt, await importJWK({ ...(await signer.publicJwk()) }));
  });

  it("throws what the function that returns the message throws", async () => {
    const signer = replicaSigner([replica("a").signer, replica("b").signer]);
    const reason = new Error("no claims");
    await expect(
      signer.sign(() => {
        throw reason;
      }),
    ).rejects.toBe(reason);
  });

  it("1,000 concurrent proofs survive the failure of one replica of three", async () => {
    const [a, b, c] = [replica("a"), replica("b"), replica("c")];
    const prover = await DPoPProver.create(replicaSigner([a.signer, b.signer, c.signer], { hedgeAfter: NEVER }));
    a.faults.sign = fails("unavailable");
    const make = (n: number) => prover.makeProof({ htm: "GET", htu: `https://api.example.com/${n}` });
    const proofs = await Promise.all(Array.from({ length: 1_000 }, (_, n) => make(n)));
    const key = await importJWK({ ...prover.publicJwk }, "ES256");
    for (const [n, proof] of proofs.entries())
      expect((await jwtVerify(proof, key)).payload.htu).toBe(`https://api.example.com/${n}`);
  });
});

describe("hedging", () => {
  it("asks the next replica beside one that doesn't respond, and cancels the other request", async () => {
    const [a, b] = [replica("a"), replica("b")];
    let cancelled = 0;
    a.faults.sign = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          cancelled += 1;
          reject(signal.reason);
        });
      });
    const signer = replicaSigner([a.signer, b.signer], { hedgeAfter: 20 });
    const messages = await recordReplicas(() => signer.sign(data));
    await expect.poll(() => cancelled).toBe(1);
    expect(messages).toEqual([]); // a cancelled request isn't a failure
  });

  it("doesn't ask the next replica if the first one responds in time", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer], { hedgeAfter: NEVER });
    for (let n = 0; n < 20; n += 1) await signer.sign(data);
    expect(b.sign).not.toHaveBeenCalled();
  });

  it("requests at the same time have the same message, so that each signature fits", async () => {
    const [a, b] = [replica("a"), replica("b")];
    a.faults.sign = slow(60);
    b.faults.sign = slow(200);
    const signer = replicaSigner([a.signer, b.signer], { hedgeAfter: 20 });
    let calls = 0;
    const jwt = await signJwt(signer, () => ({ attempt: ++calls }));
    await jwtVerify(jwt, await importJWK({ ...(await signer.publicJwk()) }));
    expect([a.sign.mock.calls.length, b.sign.mock.calls.length, calls]).toEqual([1, 1, 1]);
  });

  it("an error that isn't retryable doesn't fail a call that an earlier request can still answer", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer], { hedgeAfter: 10 });
    await signer.publicJwk();
    a.faults.sign = slow(80);
    b.faults.sign = fails("access-denied");
    const messages = await recordReplicas(async () => expect(await signer.sign(data)).toHaveLength(64));
    expect(messages).toMatchObject([{ uri: "test:b", error: { code: "access-denied" }, cooldown: 0 }]);
    a.faults.sign = async () => {
      await setTimeout(80);
      throw new SignerError("unavailable", "away");
    };
    expect(await errorOf(signer.sign(data))).toMatchObject({ code: "access-denied", uri: "test:b" });
  });
});

it("doesn't report a replica whose key arrives, ignoring the signal, after another one has signed", async () => {
  const [a, b] = [replica("a"), replica("b")];
  let signing: Promise<unknown> | undefined;
  const publicJwk = vi.fn(async () => {
    await signing;
    return a.signer.publicJwk();
  });
  const late: Signer = {
    publicJwk,
    describe: () => a.signer.describe(),
    sign: a.sign as never,
    close: () => a.signer.close(),
    [Symbol.asyncDispose]: () => a.signer.close(),
  };
  const signer = replicaSigner([late, b.signer], { hedgeAfter: 10 });
  await signer.publicJwk();
  const failures = await recordReplicas(async () => {
    signing = signer.sign(data);
    await signing;
    await setTimeout(20);
  });
  expect(publicJwk).toHaveBeenCalledTimes(2);
  expect(a.sign).not.toHaveBeenCalled();
  expect(failures).toEqual([]);
});

describe("the caller", () => {
  it("isn't kept waiting by replicas that ignore its signal", async () => {
    const { signer: inner } = replica("a");
    const stubborn: Signer = {
      publicJwk: () => inner.publicJwk(),
      describe: () => inner.describe(),
      sign: () => new Promise(() => undefined),
      close: () => inner.close(),
      [Symbol.asyncDispose]: () => inner.close(),
    };
    const signer = replicaSigner([stubborn, stubborn], { hedgeAfter: 5 });
    const signal = AbortSignal.timeout(50);
    expect(await errorOf(signer.sign(data, { signal }))).toMatchObject({ code: "aborted" });
  });

  it("aborts the request of the replica in flight, and no other replica is asked", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer]);
    await signer.publicJwk();
    a.faults.sign = hangs;
    const controller = new AbortController();
    const signing = errorOf(signer.sign(data, { signal: controller.signal }));
    await expect.poll(() => a.sign.mock.calls.length).toBe(1);
    controller.abort();
    expect(await signing).toMatchObject({ code: "aborted" });
    expect(b.sign).not.toHaveBeenCalled();
  });

  it("sees in the trace of each proof which replica made it", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const prover = await DPoPProver.create(replicaSigner([a.signer, b.signer]));
    const uris: unknown[] = [];
    const channel = tracingChannel<unknown, SignatureTrace>("hardproof.signature");
    const record = (message: unknown) => void uris.push((message as SignatureTrace).uri);
    channel.asyncEnd.subscribe(record);
    const make = () => prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
    const failures = await recordReplicas(async () => {
      await make();
      a.faults.sign = fails("unavailable");
      await make();
    });
    channel.asyncEnd.unsubscribe(record);
    expect(uris).toEqual(["test:a", "test:b"]);
    expect(failures).toMatchObject([{ uri: "test:a", error: { code: "unavailable" }, cooldown: 5_000 }]);
  });

  it("gets the description of the least protected replica, wherever it stands", async () => {
    const facts: KeyFacts[] = [
      NON_EXPORTABLE,
      { protection: "tpm", exportable: false, evidence: {} },
      { protection: "hsm", exportable: "unknown", evidence: { from: "the weakest" } },
    ];
    for (const order of [facts, facts.toReversed()]) {
      const signer = replicaSigner(order.map((each, n) => replica(`${n}`, shared, {}, each).signer));
      expect(await signer.describe()).toMatchObject({ evidence: { from: "the weakest" }, exportable: "unknown" });
      await expect(requireNonExportable(signer)).rejects.toMatchObject({ code: "wrong-key" });
    }
    const exportable = replica("software", shared, {}, { protection: "hsm", exportable: true, evidence: {} });
    const [strong] = [replica("strong")];
    await expect(requireNonExportable(replicaSigner([strong.signer, exportable.signer]))).rejects.toMatchObject({
      uri: "test:software",
    });
  });

  it("gets an error instead of a description that leaves out a replica", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer]);
    b.faults.describe = fails("unavailable");
    expect(await errorOf(signer.describe())).toMatchObject({ code: "unavailable", uri: "test:b" });
  });

  it("closes all replicas, also if one of them can't be closed", async () => {
    const [a, b] = [replica("a"), replica("b")];
    const signer = replicaSigner([a.signer, b.signer]);
    await signer.sign(data);
    a.close.mockRejectedValue(new Error("stuck"));
    await expect(signer.close()).rejects.toThrow("stuck");
    expect(b.close).toHaveBeenCalledOnce();
  });

  it.each([
    ["no replicas", () => replicaSigner([])],
    ["a value that isn't a signer", () => replicaSigner([{} as Signer])],
    ["a signer instead of an array", () => replicaSigner(replica("a").signer as unknown as Signer[])],
    ["hedgeAfter", () => replicaSigner([replica("a").signer], { hedgeAfter: -1 })],
    ["cooldown", () => replicaSigner([replica("a").signer], { cooldown: Number.NaN })],
  ])("is told at once of a mistake in the arguments: %s", (_, create) => {
    expect(create).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });
});
