/** Worker threads of the application: they use the main thread's libraries, whichever starts first or ends last. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { Pkcs11Signer } from "hardproof/pkcs11";
import { afterEach, describe, expect, it, vi } from "vitest";
import { environmentFor } from "../../processes/options.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { CKR } from "../../shim/return-values.js";
import { startThread, terminateAtRandom } from "../../soak/threads.js";

const { hsm, shim, newSigner } = await faultyToken("application");
const program = (name: string) => fileURLToPath(new URL(`../../processes/${name}.ts`, import.meta.url));
const threadUrl = new URL("../../processes/signing-thread.ts", import.meta.url).href;
const environment = (pin = hsm.pin) => environmentFor({ module: shim.module, token: hsm.token }, pin);
const sign = (signer: Pkcs11Signer, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));

vi.setConfig({ testTimeout: 60_000 });

const threads: Worker[] = [];
function start(pin?: string, code = "", env = environment(pin)): Worker {
  const thread = code ? new Worker(code, { eval: true, env }) : startThread(new URL(threadUrl), env);
  threads.push(thread);
  return thread;
}
async function ask(worker: Worker, message: number | "close"): Promise<unknown> {
  worker.postMessage(message);
  return (await once(worker, "message"))[0];
}

/** Each successful `C_Initialize` has its `C_Finalize`. */
const initialized = () => shim.count("C_Initialize") - shim.count("C_Finalize");
let expectedAtEnd = 0;
afterEach(async () => {
  shim.order();
  await Promise.all(threads.splice(0).map((thread) => thread.terminate()));
  await expect.poll(initialized, { timeout: 10_000 }).toBe(expectedAtEnd);
});

/** Loses the library: only a restart helps. */
function loseLibrary(): void {
  const lost = { until: "C_Initialize", act: { return: CKR.DEVICE_ERROR } } as const;
  shim.order({ on: "C_SignInit", ...lost }, { on: "C_OpenSession", ...lost });
}

async function longestStop(work: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  await work();
  clearInterval(timer);
  return longest;
}

it("a thread that is terminated while its signer closes leaves a library that the next signer can use", async () => {
  const thread = start();
  expect(await ask(thread, 5)).toBe(5);
  shim.order({ on: "C_Finalize", act: { delay: 300 } }, { on: "C_CloseSession", act: { delay: 100 } });
  thread.postMessage("close");
  await expect.poll(() => shim.count("C_CloseSession"), { interval: 5 }).toBeGreaterThan(0);
  await thread.terminate();
  const stop = await longestStop(async () => {
    await using signer = newSigner();
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
  });
  expect(stop).toBeLessThan(500);
});

it("a thread that initialised the library first can end: the main thread restarts and finalises it", async () => {
  const thread = start();
  expect(await ask(thread, 5)).toBe(5);
  await using signer = newSigner();
  await signer.publicJwk();
  expect(await ask(thread, "close")).toBe("closed");
  await thread.terminate();
  loseLibrary();
  await expect(sign(signer, 5)).resolves.toHaveLength(5);
});

it("a thread that is terminated during a login doesn't stop the event loop, nor the next signer", async () => {
  const thread = start();
  shim.order({ on: "C_Login", times: 1, act: { delay: 1_000 } });
  const logins = shim.count("C_Login");
  thread.postMessage(5);
  await expect.poll(() => shim.count("C_Login"), { interval: 5, timeout: 10_000 }).toBe(logins + 1);
  await thread.terminate();
  const stop = await longestStop(async () => {
    await using signer = newSigner({ timeout: 5_000 });
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
  });
  expect(stop).toBeLessThan(500);
});

it("one wrong PIN in three threads is tried once, however long a login takes", async () => {
  shim.order({ on: "C_Login", act: { delay: 1_500 } });
  const logins = shim.count("C_Login");
  const wrong = [start("wrong in threads"), start("wrong in threads"), start("wrong in threads")];
  for (const answer of await Promise.all(wrong.map((thread) => ask(thread, 1))))
    expect(answer).toMatch(/tried once|wrong before/);
  expect(shim.count("C_Login")).toBe(logins + 1);
});

it("a thread's own worker that is terminated keeps nothing from being restarted and finalised", async () => {
  const code = `
    const { Worker, parentPort } = require("node:worker_threads");
    const load = 'import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))';
    const inner = new Worker(load, { eval: true });
    inner.on("message", (message) => parentPort.postMessage(message));
    parentPort.on("message", (message) => (message === "end" ? inner.terminate() : inner.postMessage(message)));
    inner.on("exit", () => parentPort.postMessage("ended"));`;
  const outer = start(undefined, code);
  expect(await ask(outer, 5)).toBe(5);
  await using signer = newSigner();
  await signer.publicJwk();
  outer.postMessage("end");
  expect((await once(outer, "message"))[0]).toBe("ended");
  loseLibrary();
  await expect(sign(signer, 5)).resolves.toHaveLength(5);
});

it("threads that open, sign and close are terminated at random: the others go on, and the library is finalised", async () => {
  shim.order({ on: "C_Finalize", act: { delay: 20 } }, { on: "C_Login", act: { delay: 20 } });
  const report = await terminateAtRandom({ milliseconds: 5_000, start, newSigner });
  expect(report.threads).toBeGreaterThan(3);
  expect(report.longestStop).toBeLessThan(500);
});

describe("where the main thread has never imported Hardproof", () => {
  it("each thread uses the library on its own, a restart by one is mended by the other, and none finalises it", async () => {
    const finalized = shim.count("C_Finalize");
    shim.order({ on: "C_SignInit", from: 25, times: 1, act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    const args = ["--import", "tsx", program("no-owner")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment() });
    expect(stdout.trim()).toBe("one 60 other 60");
    // Once for the restart.
    expect(shim.count("C_Finalize")).toBe(finalized + 1);
    expectedAtEnd = initialized();
  });
});
