/** The threads that a signer signs on: that they serve, how many there are, what is stuck, and that they end. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { DPoPProver } from "hardproof";
import type { Pkcs11Signer } from "hardproof/pkcs11";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tell } from "../../processes/options.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { CKR } from "../../shim/return-values.js";
import { codesOf, proofs } from "../many-proofs.js";
import { threaded } from "./signing-thread-started.js";

const { shim, hsm, newSigner } = await faultyToken("threads");
const sign = (signer: Pkcs11Signer, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));

const started: Worker[] = [];
const remember = (worker: Worker) => started.push(worker);
beforeEach(() => {
  process.on("worker", remember);
});
afterEach(() => {
  process.off("worker", remember);
  started.length = 0;
});

it("the first is started for the second signature, and a fast token has no use for one for each session", async () => {
  await using signer = newSigner({ sessions: 8 });
  await signer.sign(Buffer.from("first"));
  expect(started).toHaveLength(0);
  await threaded(signer);
  expect(codesOf(await proofs(await DPoPProver.create(signer), 300))).toEqual(new Set(["proof"]));
  expect(started.length).toBeLessThan(4); // One, unless a busy machine keeps it from work.
});

it("there are none if they are not wanted", async () => {
  await using signer = newSigner({ threads: false });
  await sign(signer, 50);
  expect(started).toHaveLength(0);
});

it("a slow token is given as many as the signer has sessions, which work side by side", async () => {
  await using signer = newSigner({ sessions: 3 });
  await threaded(signer);
  const asked = shim.count("C_SignInit");
  shim.order({ on: "C_Sign", act: { delay: 20 } });
  await sign(signer, 30);
  expect(started).toHaveLength(3);
  shim.order({ on: "C_Sign", act: "hang" });
  const stuck = sign(signer, 4);
  await expect.poll(() => shim.count("C_SignInit") - asked).toBe(30 + 3);
  shim.order();
  await expect(stuck).resolves.toHaveLength(4);
});

describe.each(["C_SignInit", "C_Sign"] as const)("a %s that is stuck", (on) => {
  it("blocks neither the event loop nor anybody but its own caller", async () => {
    await using signer = newSigner({ timeout: 2_000 });
    await threaded(signer);
    shim.order({ on, times: 1, act: "hang" });
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused).toMatchObject([{ reason: { code: "timeout" } }]);
    expect(started.length).toBeGreaterThan(1);
    shim.order();
    await expect(sign(signer, 50)).resolves.toHaveLength(50);
  });
});

it("errors have the same names as without them, and the way back is found", async () => {
  await using signer = newSigner();
  await threaded(signer);
  shim.order({ on: "C_Sign", times: 1, act: { return: CKR.BUFFER_TOO_SMALL } });
  await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({
    message: expect.stringContaining("CKR_BUFFER_TOO_SMALL"),
    cause: { name: "Pkcs11Error", message: "CKR_BUFFER_TOO_SMALL", code: CKR.BUFFER_TOO_SMALL },
  });
  for (const lost of [CKR.SESSION_HANDLE_INVALID, CKR.KEY_HANDLE_INVALID, CKR.CRYPTOKI_NOT_INITIALIZED]) {
    shim.order({ on: "C_SignInit", times: 1, act: { return: lost } });
    await expect(sign(signer, 10)).resolves.toHaveLength(10);
  }
});

it("one that answers before it is given the next request is not given too many", async () => {
  await using signer = newSigner({ sessions: 8, timeout: 2_000 });
  await threaded(signer);
  shim.order({ on: "C_Sign", times: 1, act: "hang" });
  // The event loop is kept for a moment right after a request, as by another process: its answer is there before it goes on.
  const notify = Atomics.notify;
  let left = 0;
  const held = vi.spyOn(Atomics, "notify").mockImplementation((...about) => {
    const woken = notify(...about);
    if (left-- === 1) for (const until = performance.now() + 10; performance.now() < until; );
    return woken;
  });
  process.once("worker", (worker: Worker) => {
    left = 0;
    worker.once("message", () => {
      left = 1;
    });
  });
  const outcomes = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
  held.mockRestore();
  expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(1);
  shim.order();
});

it("one that is ended from outside costs no signature", async () => {
  await using signer = newSigner();
  await threaded(signer);
  const making = sign(signer, 100);
  await started[0]?.terminate();
  await expect(making).resolves.toHaveLength(100);
  await expect(sign(signer, 100)).resolves.toHaveLength(100);
});

it("while none can be started, and the one there is is stuck, the others are signed without", async () => {
  await using signer = newSigner({ timeout: 2_000 });
  await threaded(signer);
  shim.order({ on: "C_Sign", times: 1, act: "hang" }, { on: "C_GetSessionInfo", act: { return: CKR.GENERAL_ERROR } });
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
  expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(1);
  shim.order();
});

it("they end with the signer", async () => {
  const signer = newSigner();
  await threaded(signer);
  const ends = started.map((worker) => once(worker, "exit"));
  const last = sign(signer, 20);
  await signer.close();
  await expect(last).resolves.toHaveLength(20);
  expect(await Promise.all(ends)).toEqual([[0]]);
});

it("one that is being started when the signer closes ends, too, before the library is finalised", async () => {
  const signer = newSigner();
  const finalized = shim.count("C_Finalize");
  await sign(signer, 2);
  expect(started).toHaveLength(1);
  const end = once(started[0] as Worker, "exit");
  let before = -1;
  started[0]?.once("message", () => {
    before = shim.count("C_Finalize");
  });
  await signer.close();
  expect(before).toBe(finalized);
  expect(shim.count("C_Finalize")).toBe(finalized + 1);
  expect(await end).toEqual([0]);
});

it("they keep no process alive whose signer was not closed", async () => {
  const program = fileURLToPath(new URL("../../processes/leaving-process.ts", import.meta.url));
  const env = tell({ module: hsm.module, token: hsm.token }, hsm.pin);
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program], { env });
  expect(stdout.trim()).toBe("threads 1 signed 202");
});
