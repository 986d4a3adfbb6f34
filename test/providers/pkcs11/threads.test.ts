/** The workers that call a library: their number, what a stuck one blocks, and their end. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { DPoPProver } from "hardproof";
import type { Pkcs11Signer } from "hardproof/pkcs11";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { useToken } from "../../../providers/pkcs11/token-use.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { environmentFor } from "../../processes/options.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { codesOf, proofs } from "../many-proofs.js";

const { shim, hsm, newSigner } = await faultyToken("threads");
const { algorithm, publicKey, forceLogin, isolate } = {} as Record<string, undefined>;
const keyOnToken = {
  ...{ module: shim.module, token: { label: hsm.token }, key: { label: hsm.key.label }, pin: hsm.pin },
  ...{ sessions: 1, maxWaiting: 10, algorithm, publicKey, forceLogin, isolate },
};
const sign = (signer: Pkcs11Signer, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));

const started: Worker[] = [];
/** Workers that haven't ended. The next test may reuse those of a library that a stuck call keeps open. */
const running = new Set<Worker>();
const remember = (worker: Worker) => {
  started.push(worker);
  running.add(worker);
  worker.once("exit", () => running.delete(worker));
};
beforeEach(() => {
  process.on("worker", remember);
});
afterEach(() => {
  process.off("worker", remember);
  started.length = 0;
});

it("calls a fast token from one worker, however many sessions are allowed", async () => {
  await using signer = newSigner({ sessions: 8 });
  await sign(signer, 10);
  expect(codesOf(await proofs(await DPoPProver.create(signer), 300))).toEqual(new Set(["proof"]));
  expect(started.length).toBeLessThan(4); // Usually one; more if a busy machine slows its calls down.
});

it("calls a slow token from as many concurrent workers as the signer has sessions", async () => {
  await using signer = newSigner({ sessions: 3 });
  await sign(signer, 1);
  const before = shim.count("C_SignInit");
  shim.order({ on: "C_Sign", act: { delay: 20 } });
  await sign(signer, 30);
  expect(started).toHaveLength(3);
  shim.order({ on: "C_Sign", act: "hang" });
  const stuck = sign(signer, 4);
  await expect.poll(() => shim.count("C_SignInit") - before).toBe(30 + 3);
  shim.order();
  await expect(stuck).resolves.toHaveLength(4);
});

it("lets the event loop go on although a fast token always has another signature", async () => {
  await using signer = newSigner();
  await sign(signer, 10);
  let [inTurn, most] = [0, 0];
  const remaining = Array(300).values();
  const turn = () => {
    inTurn = 0;
    immediate = setImmediate(turn);
  };
  let immediate = setImmediate(turn);
  const caller = async () => {
    for (const _ of remaining) {
      await signer.sign(Buffer.from("x"));
      most = Math.max(most, ++inTurn);
      const end = performance.now() + 1;
      while (performance.now() < end); // The token signs faster than the application works.
    }
  };
  await Promise.all(Array.from({ length: 8 }, caller)).finally(() => clearImmediate(immediate));
  expect(most).toBeLessThan(100);
});

it("two signers of one library share a worker", async () => {
  await using one = newSigner();
  await using other = newSigner();
  await Promise.all([sign(one, 10), sign(other, 10)]);
  expect(started.length).toBeLessThan(3);
});

describe.each(["C_SignInit", "C_Sign"] as const)("%s", (on) => {
  it.each([1, 2, 3, 6])(`a stuck ${on} blocks at most its own caller: call %i of a batch`, async (from) => {
    await using signer = newSigner({ timeout: 2_000 });
    await sign(signer, 10);
    shim.order({ on, from, times: 1, act: "hang" });
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
    const codes = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason.code] : []));
    // On a busy machine, the stuck call may be one whose caller got its signature from another worker.
    expect([[], ["timeout"]]).toContainEqual(codes);
    expect(running.size).toBeGreaterThan(1);
    shim.order();
    await expect(sign(signer, 50)).resolves.toHaveLength(50);
    await signer.close();
    await expect.poll(() => running.size).toBe(0); // or the stuck worker's next calls would count in the next test
  });
});

it("a login that is stuck blocks only its own signer", async () => {
  await using other = newSigner();
  await sign(other, 1);
  await hsm.addKey({ label: "careful", id: "77", algorithm: "ES256", alwaysAuthenticate: true });
  await using signer = newSigner({ key: "careful", timeout: 1_000 });
  await signer.publicJwk();
  shim.order({ on: "C_Login", act: "hang" });
  const stuck = signer.sign(Buffer.from("x")).catch((error) => error.code);
  await expect(sign(other, 20)).resolves.toHaveLength(20);
  expect(await stuck).toBe("timeout");
  shim.order();
});

it("errors contain the return value, and lost sessions, keys and libraries are recovered", async () => {
  await using signer = newSigner();
  await sign(signer, 2);
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

it("all signatures are made although a worker is terminated by other code", async () => {
  await using signer = newSigner();
  await sign(signer, 2);
  const pending = sign(signer, 100);
  await started[0]?.terminate();
  await expect(pending).resolves.toHaveLength(100);
  await expect(sign(signer, 100)).resolves.toHaveLength(100);
});

it("a restart succeeds although an idle worker is terminated during it", async () => {
  await using signer = newSigner({ sessions: 2 });
  shim.order({ on: "C_Sign", act: { delay: 30 } });
  while (shim.openSessions() < 2) await sign(signer, 6); // a worker takes a while to start
  const closed = shim.count("C_CloseSession");
  shim.order(
    { on: "C_CloseSession", act: { delay: 300 } },
    { on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } },
  );
  const signature = signer.sign(Buffer.from("x"));
  await expect.poll(() => shim.count("C_CloseSession"), { interval: 5 }).toBe(closed + 2);
  await started[1]?.terminate();
  await expect(signature).resolves.toHaveLength(64);
});

it("requests that wait when the last user closes are settled, and leave no worker behind", async () => {
  const finalized = shim.count("C_Finalize");
  const use = await useToken(keyOnToken);
  await use.run({ name: "open" });
  shim.order({ on: "C_GetAttributeValue", act: { delay: 200 } });
  const before = shim.count("C_GetAttributeValue");
  const outcome = use.run({ name: "describe" }).catch(({ code }) => code);
  await expect.poll(() => shim.count("C_GetAttributeValue"), { interval: 5 }).toBe(before + 1);
  await started[0]?.terminate();
  await use.close();
  expect(await outcome).toBe("aborted");
  expect(shim.count("C_Finalize")).toBe(finalized + 1);
  await expect.poll(() => running.size).toBe(0);
});

it("signs in another worker if its worker ends while the message is being made", async () => {
  await using signer = newSigner();
  await sign(signer, 1);
  const use = await useToken(keyOnToken);
  // A message that an application's thread makes takes a while.
  const signature = use.run({
    name: "sign",
    digest: async () => {
      await started[0]?.terminate();
      return Buffer.alloc(32, 1);
    },
  });
  await expect(signature).resolves.toHaveLength(64);
  await use.close();
});

it("the open session serves all callers while the token refuses another one", async () => {
  await using signer = newSigner({ timeout: 5_000 });
  await sign(signer, 2);
  shim.order({ on: "C_Sign", act: { delay: 20 } }, { on: "C_OpenSession", act: { return: CKR.GENERAL_ERROR } });
  await expect(sign(signer, 20)).resolves.toHaveLength(20);
  shim.order();
});

it("workers end when the signer closes", async () => {
  const signer = newSigner();
  await sign(signer, 2);
  const ends = started.map((worker) => once(worker, "exit"));
  const last = sign(signer, 20);
  await signer.close();
  await expect(last).resolves.toHaveLength(20);
  expect(await Promise.all(ends)).toEqual(ends.map(() => [0]));
});

it("a worker that is being started when the signer closes ends before the library is finalised", async () => {
  const signer = newSigner();
  const finalized = shim.count("C_Finalize");
  await sign(signer, 1);
  shim.order({ on: "C_Sign", act: { delay: 40 } });
  const starting = once(process, "worker");
  const signatures = sign(signer, 2);
  await starting;
  const ends = started.map((worker) => once(worker, "exit"));
  await signer.close();
  await expect(signatures).resolves.toHaveLength(2);
  expect(shim.count("C_Finalize")).toBe(finalized + 1);
  expect(await Promise.all(ends)).toEqual(ends.map(() => [0]));
});

it("a process whose signer wasn't closed exits despite its workers", async () => {
  const program = fileURLToPath(new URL("../../processes/exit-without-close.ts", import.meta.url));
  const env = environmentFor({ module: hsm.module, token: hsm.token }, hsm.pin);
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program], { env });
  expect(stdout.trim()).toBe("signed 202");
});
