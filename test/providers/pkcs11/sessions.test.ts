/** The sessions of a signer: their number, the queue for them, slow and stuck tokens, and closing. */
import { DPoPProver, SignerError } from "hardproof";
import { describe, expect, it } from "vitest";
import type { Pkcs11Fault } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { codesOf, proofs } from "../many-proofs.js";

/** Makes a signer open all of its sessions: it uses only one for a fast token. */
const SLOW: Pkcs11Fault = { on: "C_Sign", act: { delay: 30 } };

const { shim, newSigner } = await faultyToken("faulty");

describe("stuck calls", () => {
  it("a recovery doesn't finalise the library during a stuck call: it fails with unavailable, and succeeds once the call returns", async () => {
    await using signer = newSigner({ timeout: 60_000, sessions: 2 });
    await signer.publicJwk();
    const finalized = shim.count("C_Finalize");
    const lost = { until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } } as const;
    shim.order({ on: "C_Sign", times: 1, act: "hang" }, { on: "C_SignInit", from: 2, ...lost });
    const stuck = signer.sign(Buffer.from("stuck"));
    const rejection = await signer.sign(Buffer.from("x")).catch((reason) => reason);
    expect(rejection).toMatchObject({ code: "unavailable" });
    expect(shim.count("C_Finalize")).toBe(finalized);
    shim.order();
    await expect(stuck).resolves.toHaveLength(64);
    await expect.poll(() => signer.sign(Buffer.from("y")), { timeout: 10_000 }).toHaveLength(64);
  });
});

describe("sessions", () => {
  it("40 signers that open their keys at once don't get more workers than one signer", async () => {
    shim.order({ on: "C_OpenSession", act: { delay: 20 } });
    let workers = 0;
    const count = () => {
      workers += 1;
    };
    process.on("worker", count);
    const signers = Array.from({ length: 40 }, () => newSigner());
    await Promise.all(signers.map((signer) => signer.publicJwk()));
    process.off("worker", count);
    expect(workers).toBeLessThanOrEqual(4);
    await Promise.all(signers.map((signer) => signer.close()));
  });

  it("opens 4 sessions by default for a slow token, or as many as the token supports", async () => {
    const expectSessions = async (expected: number, orders: Parameters<typeof shim.order>, options = {}) => {
      shim.order(...orders, SLOW);
      await using signer = newSigner(options);
      const prover = await DPoPProver.create(signer);
      // A busy machine may sign the first proofs before it has started all workers.
      for (let round = 0; round < 10 && (round < 1 || shim.openSessions() < expected); round++)
        expect(codesOf(await proofs(prover, 80))).toEqual(new Set(["proof"]));
      expect(shim.openSessions()).toBe(expected);
    };
    await expectSessions(4, []);
    await expectSessions(2, [{ on: "C_GetTokenInfo", act: { most: 2 } }]);
    await expectSessions(2, [{ on: "C_GetTokenInfo", act: { most: 2 } }], { sessions: 8 });
    await expectSessions(3, [{ on: "C_OpenSession", act: { limit: 3 } }]);
    await expectSessions(8, [], { sessions: 8 });
    expect(shim.openSessions()).toBe(0);
  });

  it("works with a limit of one session, also after that one is lost", async () => {
    shim.order({ on: "C_OpenSession", act: { limit: 1 } });
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
    shim.order(
      { on: "C_OpenSession", act: { limit: 1 } },
      { on: "C_Sign", from: 10, times: 1, act: { return: CKR.SESSION_HANDLE_INVALID } },
    );
    expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
    await using second = newSigner();
    await expect(second.publicJwk()).rejects.toMatchObject({ code: "throttled", retryable: true });
  });

  it("calls a library that can't lock from one worker for all signers, without the locking flag", async () => {
    const CANT_LOCK = 0x0a;
    shim.order({ on: "C_Initialize", times: 1, act: { return: CANT_LOCK } });
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    expect(codesOf(await proofs(prover, 80))).toEqual(new Set(["proof"]));
    expect(shim.openSessions()).toBe(1);
    await using second = newSigner();
    shim.order(SLOW);
    const calls = [signer, second].flatMap((one) => [1, 2].map((n) => one.sign(Buffer.from([n]))));
    await expect(Promise.all(calls)).resolves.toHaveLength(4);
    expect(shim.openSessions()).toBe(2);
  });

  it("serves callers in the order of their calls", async () => {
    await using signer = newSigner({ sessions: 1 });
    await signer.publicJwk();
    const served: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => signer.sign(Buffer.from(`${n}`)).then(() => served.push(n))),
    );
    expect(served).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it("a caller that waits for a session times out", async () => {
    await using signer = newSigner({ sessions: 1, timeout: 2_000 });
    await signer.publicJwk();
    shim.order({ on: "C_Sign", times: 1, act: "hang" });
    const both = [signer.sign(Buffer.from("a")), signer.sign(Buffer.from("b"))];
    for (const { status, ...rest } of await Promise.allSettled(both))
      expect({ status, ...rest }).toMatchObject({ status: "rejected", reason: { code: "timeout" } });
    shim.order();
    await expect(signer.sign(Buffer.from("c"))).resolves.toHaveLength(64);
  });

  it("signs if the token allows fewer sessions than requested", async () => {
    await using signer = newSigner({ sessions: 8 });
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_OpenSession", act: { return: CKR.SESSION_COUNT } });
    expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
  });

  it("closes a session after any error, because an operation may still be active in it", async () => {
    await using signer = newSigner({ sessions: 1 });
    await signer.publicJwk();
    const closed = shim.count("C_CloseSession");
    shim.order({ on: "C_Sign", times: 1, act: { return: CKR.BUFFER_TOO_SMALL } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toBeInstanceOf(SignerError);
    expect(shim.count("C_CloseSession")).toBe(closed + 1);
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("throttles callers once maxWaiting callers wait for a session", async () => {
    await using signer = newSigner({ sessions: 1, maxWaiting: 10 });
    const prover = await DPoPProver.create(signer);
    const results = await proofs(prover, 50);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(11);
    expect(codesOf(results)).toEqual(new Set(["proof", "throttled"]));
  });

  it("close() closes all sessions", async () => {
    const [opened, closed] = [shim.count("C_OpenSession"), shim.count("C_CloseSession")];
    const finalized = shim.count("C_Finalize");
    const signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order(SLOW);
    await proofs(prover, 80);
    await signer.close();
    expect(shim.count("C_OpenSession") - opened).toBe(4);
    expect(shim.count("C_CloseSession") - closed).toBe(4);
    expect(shim.count("C_Finalize")).toBe(finalized + 1);
  });
});

describe("slow tokens", () => {
  it("a slow token doesn't block the event loop", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_Sign", act: { delay: 50 } });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await proofs(prover, 8);
    clearInterval(timer);
    // Two rounds of 50 ms: a blocked event loop would miss all of the 20 ticks, or all but one between two signatures.
    expect(ticks).toBeGreaterThan(8);
  });

  it("a call to a token that hangs times out, and the token is used again", async () => {
    await using signer = newSigner({ timeout: 2_000, sessions: 2 });
    await signer.publicJwk();
    shim.order({ on: "C_Sign", times: 1, act: "hang" });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "timeout", retryable: true });
    await expect(signer.sign(Buffer.from("y"))).resolves.toHaveLength(64);
    shim.order();
    await expect(signer.sign(Buffer.from("z"))).resolves.toHaveLength(64);
  });

  it("a proof is signed once more if the token took longer than maxProofAge, and isn't returned if it did so again", async () => {
    await using signer = newSigner({ sessions: 1 });
    const prover = await DPoPProver.create(signer, { maxProofAge: 1 });
    const before = shim.count("C_Sign");
    const make = () => prover.makeProof({ htm: "GET", htu: "https://a.example" });
    shim.order({ on: "C_Sign", times: 1, act: { delay: 1_200 } });
    await expect(make()).resolves.toMatch(/^ey/);
    expect(shim.count("C_Sign") - before).toBe(2);
    shim.order({ on: "C_Sign", act: { delay: 1_200 } });
    const message = expect.stringMatching(/^pkcs11:.* was 1\.\d s old, and then 1\.\d s old .* at most 1 s old/);
    await expect(make()).rejects.toMatchObject({ code: "timeout", message });
    expect(shim.count("C_Sign") - before).toBe(4);
  });

  it("close() returns although a call hangs, and doesn't finalise the library during it", async () => {
    const signer = newSigner({ timeout: 2_000 });
    await signer.publicJwk();
    const finalized = shim.count("C_Finalize");
    shim.order({ on: "C_Sign", act: "hang" });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "timeout" });
    await signer.close();
    expect(shim.count("C_Finalize")).toBe(finalized);
    shim.order();
    await using next = newSigner();
    await expect(next.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("a waiting caller can abort without affecting the others", async () => {
    await using signer = newSigner({ sessions: 1 });
    await signer.publicJwk();
    shim.order({ on: "C_Sign", times: 1, act: { delay: 100 } });
    const controller = new AbortController();
    const first = signer.sign(Buffer.from("a"));
    const second = signer.sign(Buffer.from("b"), { signal: controller.signal });
    const third = signer.sign(Buffer.from("c"));
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: "aborted" });
    await expect(first).resolves.toHaveLength(64);
    await expect(third).resolves.toHaveLength(64);
  });

  it("close() completes 50 signatures in flight before it returns", async () => {
    const signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_Sign", act: { delay: 5 } });
    const pending = proofs(prover, 50);
    await signer.close();
    expect(codesOf(await pending)).toEqual(new Set(["proof"]));
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "misconfigured" });
  });
});

it("calls a message function once, when its request leaves the queue", async () => {
  await using signer = newSigner({ sessions: 1 });
  await signer.publicJwk();
  shim.order({ on: "C_Sign", act: { delay: 100 } });
  const calls: number[] = [];
  const start = performance.now();
  const message = (n: number) => () => {
    calls.push(performance.now() - start);
    return Buffer.from([n]);
  };
  await Promise.all([1, 2, 3, 4].map((n) => signer.sign(message(n))));
  expect(calls).toHaveLength(4);
  for (const [index, time] of calls.entries()) expect(time).toBeGreaterThan(90 * index);
});

it("a message function that throws rejects only its own call", async () => {
  await using signer = newSigner();
  await signer.publicJwk();
  const failing = signer.sign(() => {
    throw new RangeError("no message");
  });
  const others = [1, 2].map((n) => signer.sign(Buffer.from([n])));
  await expect(failing).rejects.toThrow("no message");
  await expect(Promise.all(others)).resolves.toHaveLength(2);
});
