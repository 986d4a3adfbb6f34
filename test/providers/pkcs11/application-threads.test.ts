/** Worker threads of the application, which share the main thread's libraries in whichever order they start and end. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { Pkcs11Signer } from "hardproof/pkcs11";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { environmentFor } from "../../processes/options.js";
import { faultyToken } from "../../shim/faulty-token.js";
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
async function request(worker: Worker, message: number | "close" | "times"): Promise<unknown> {
  worker.postMessage(message);
  return (await once(worker, "message"))[0];
}

/** Returns how many times the library is initialised at the moment. */
const initialized = () => shim.count("C_Initialize") - shim.count("C_Finalize");
let expectedAtEnd = 0;
afterEach(async () => {
  shim.order();
  await Promise.all(threads.splice(0).map((thread) => thread.terminate()));
  await expect.poll(initialized, { timeout: 10_000 }).toBe(expectedAtEnd);
});

/** Makes signing fail until the library is restarted. */
function breakLibrary(): void {
  const lost = { until: "C_Initialize", act: { return: CKR.DEVICE_ERROR } } as const;
  shim.order({ on: "C_SignInit", ...lost }, { on: "C_OpenSession", ...lost });
}

/** Returns the longest time (ms) for which the event loop was blocked during the work. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  await work();
  clearInterval(timer);
  return longest;
}

it("a thread that is terminated while its signer closes leaves the library usable for the next signer", async () => {
  const thread = start();
  expect(await request(thread, 5)).toBe(5);
  shim.order({ on: "C_Finalize", act: { delay: 300 } }, { on: "C_CloseSession", act: { delay: 100 } });
  thread.postMessage("close");
  await expect.poll(() => shim.count("C_CloseSession"), { interval: 5 }).toBeGreaterThan(0);
  await thread.terminate();
  const blocked = await longestBlock(async () => {
    await using signer = newSigner();
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
  });
  expect(blocked).toBeLessThan(500);
});

it("the main thread restarts and finalises a library after the thread that initialised it has ended", async () => {
  const thread = start();
  expect(await request(thread, 5)).toBe(5);
  await using signer = newSigner();
  await signer.publicJwk();
  expect(await request(thread, "close")).toBe("closed");
  await thread.terminate();
  breakLibrary();
  await expect(sign(signer, 5)).resolves.toHaveLength(5);
});

it("a thread that is terminated during a login blocks neither the event loop nor the next signer", async () => {
  const thread = start();
  shim.order({ on: "C_Login", times: 1, act: { delay: 1_000 } });
  const logins = shim.count("C_Login");
  thread.postMessage(5);
  await expect.poll(() => shim.count("C_Login"), { interval: 5, timeout: 10_000 }).toBe(logins + 1);
  await thread.terminate();
  const blocked = await longestBlock(async () => {
    await using signer = newSigner({ timeout: 5_000 });
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
  });
  expect(blocked).toBeLessThan(500);
});

it("calls a thread's message function once, when its request leaves the queue", async () => {
  const location = JSON.stringify({ module: shim.module, token: hsm.token, sessions: 1 });
  const thread = start(undefined, "", { ...environment(), HARDPROOF_TEST_SIGNER: location });
  shim.order({ on: "C_Sign", act: { delay: 100 } });
  const times = (await request(thread, "times")) as number[];
  expect(times).toHaveLength(4);
  for (const [index, time] of times.entries()) expect(time).toBeGreaterThan(90 * index);
});

it("three threads with the same wrong PIN try it once, even if a login is slow", async () => {
  shim.order({ on: "C_Login", act: { delay: 1_500 } });
  const logins = shim.count("C_Login");
  const wrong = [start("wrong in threads"), start("wrong in threads"), start("wrong in threads")];
  for (const response of await Promise.all(wrong.map((thread) => request(thread, 1))))
    expect(response).toMatch(/tried once|wrong before/);
  expect(shim.count("C_Login")).toBe(logins + 1);
});

it("terminating a nested worker thread doesn't keep the library from being restarted and finalised", async () => {
  const code = `
    const { Worker, parentPort } = require("node:worker_threads");
    const load = 'import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))';
    const inner = new Worker(load, { eval: true });
    inner.on("message", (message) => parentPort.postMessage(message));
    parentPort.on("message", (message) => (message === "end" ? inner.terminate() : inner.postMessage(message)));
    inner.on("exit", () => parentPort.postMessage("ended"));`;
  const outer = start(undefined, code);
  expect(await request(outer, 5)).toBe(5);
  await using signer = newSigner();
  await signer.publicJwk();
  outer.postMessage("end");
  expect((await once(outer, "message"))[0]).toBe("ended");
  breakLibrary();
  await expect(sign(signer, 5)).resolves.toHaveLength(5);
});

it("terminating threads at random while they open, sign and close doesn't affect the others or the finalisation, and tries each wrong PIN once", async () => {
  shim.order({ on: "C_Finalize", act: { delay: 20 } }, { on: "C_Login", act: { delay: 20 } });
  const report = await terminateAtRandom({ milliseconds: 5_000, start, wrongPins: shim.wrongPins, newSigner });
  expect(report.threads).toBeGreaterThan(3);
  expect(report.triesPerWrongPin).toBe(1);
  expect(report.longestBlock).toBeLessThan(500);
});

// No number of threads is special: nothing is stored per thread, so 80 stand for the 4,095 that once filled a table.
it("80 threads that each sign and end leave the library initialised until the main thread closes its signer", async () => {
  const names = ["C_Initialize", "C_Finalize"] as const;
  const before = names.map(shim.count);
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program("many-threads")], {
    env: environment(),
  });
  expect(stdout.trim()).toBe("signed 80");
  expect(names.map((name, index) => shim.count(name) - (before[index] ?? 0))).toEqual([1, 1]);
  expect(shim.openSessions()).toBe(0);
});

describe("threads of a main thread that hasn't imported Hardproof", () => {
  it("threads use a library independently and don't finalise it if the main thread hasn't imported Hardproof", async () => {
    const finalized = shim.count("C_Finalize");
    shim.order({ on: "C_SignInit", from: 25, times: 1, act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    const args = ["--import", "tsx", program("no-owner")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment() });
    expect(stdout.trim()).toBe("one 60 other 60");
    // The restart finalises it once.
    expect(shim.count("C_Finalize")).toBe(finalized + 1);
    expectedAtEnd = initialized();
  });
});
