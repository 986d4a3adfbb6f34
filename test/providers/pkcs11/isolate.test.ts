/** A library in a separate process: it can hang or crash without affecting the application. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DPoPProver } from "hardproof";
import { expect, it, vi } from "vitest";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { environmentFor } from "../../processes/options.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { startThread } from "../../soak/threads.js";
import { codesOf, proofs } from "../many-proofs.js";

vi.setConfig({ testTimeout: 60_000 });

/** Returns the ids of a process's child processes. Default: of this process. */
function childProcesses(pid = process.pid): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  const isProgram = (id: number) => /pkcs11.worker/.test(readFileSync(`/proc/${id}/cmdline`, "utf8"));
  return list
    .split(" ")
    .map(Number)
    .filter((id) => id > 0 && isProgram(id));
}

const { hsm, shim, newSigner: newSignerOf } = await faultyToken("isolated");
const newSigner = (more: Parameters<typeof newSignerOf>[0] = {}) => newSignerOf({ isolate: true, ...more });

it("signs in a separate process, and finalises the library when the last signer closes", async () => {
  const finalized = shim.count("C_Finalize");
  const [one, other] = [newSigner(), newSigner()];
  for (const signer of [one, other])
    expect(codesOf(await proofs(await DPoPProver.create(signer), 100))).toEqual(new Set(["proof"]));
  await one.close();
  expect(shim.count("C_Finalize")).toBe(finalized);
  await other.close();
  expect(shim.count("C_Finalize")).toBe(finalized + 1);
});

it("signs in a new process after the library crashed", async () => {
  await using signer = newSigner();
  const { x } = await signer.publicJwk();
  shim.order({ on: "C_Sign", times: 1, act: { crash: 11 } });
  await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("SIGSEGV"),
  });
  shim.order();
  await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  expect((await signer.publicJwk()).x).toBe(x);
});

it("recovers from lost sessions, libraries and devices in a separate process", async () => {
  await using signer = newSigner();
  const prover = await DPoPProver.create(signer);
  for (const lost of [CKR.SESSION_HANDLE_INVALID, CKR.CRYPTOKI_NOT_INITIALIZED, CKR.DEVICE_ERROR]) {
    shim.order({ on: "C_Sign", from: 20, times: 1, act: { return: lost } });
    expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
  }
});

it("close() ends the process although a call is stuck in it", async () => {
  const signer = newSigner({ timeout: 3_000 });
  await signer.publicJwk();
  shim.order({ on: "C_Sign", act: "hang" });
  await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "timeout" });
  await signer.close();
  shim.order();
  await using next = newSigner();
  await expect(next.sign(Buffer.from("x"))).resolves.toHaveLength(64);
});

it("a library that can't be loaded leaves no process behind", async () => {
  await using signer = newSigner({ module: import.meta.filename });
  await expect(signer.publicJwk()).rejects.toMatchObject({ code: "misconfigured" });
  await expect.poll(childProcesses, { timeout: 5_000 }).toEqual([]);
});

it("a library that hangs while it is initialised leaves no process behind after the timeout", async () => {
  shim.order({ on: "C_Initialize", act: "hang" });
  await using signer = newSigner({ timeout: 3_000 });
  await expect(signer.publicJwk()).rejects.toMatchObject({ code: "timeout" });
  await expect.poll(childProcesses, { timeout: 5_000 }).toEqual([]);
  shim.order();
  await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
});

it("a thread that ends while the library hangs leaves no process behind", async () => {
  const location = JSON.stringify({ module: shim.module, token: hsm.token, isolate: true });
  const env = {
    ...environmentFor({ module: shim.module, token: hsm.token }, hsm.pin),
    HARDPROOF_TEST_SIGNER: location,
  };
  const initialized = shim.count("C_Initialize");
  shim.order({ on: "C_Initialize", act: "hang" });
  const thread = startThread(new URL("../../processes/signing-thread.ts", import.meta.url), env);
  thread.postMessage(1);
  await expect.poll(() => shim.count("C_Initialize"), { timeout: 20_000 }).toBe(initialized + 1);
  await thread.terminate();
  await expect.poll(childProcesses, { timeout: 5_000 }).toEqual([]);
  shim.order();
});

it("calls before the process's end is noticed are rejected with unavailable, and the next ones start a new process", async () => {
  await using signer = newSigner();
  await signer.sign(Buffer.from("x"));
  for (const process of childProcesses()) execFileSync("kill", ["-KILL", `${process}`]);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const lost = Array.from({ length: 5 }, (_, n) => signer.sign(Buffer.from(`${n}`)).catch(({ code }) => code));
  expect(new Set(await Promise.all(lost))).toEqual(new Set(["unavailable"]));
  await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
});

it("close() ends the process although the library hangs while it is finalised", async () => {
  const signer = newSigner();
  await signer.publicJwk();
  shim.order({ on: "C_Finalize", act: "hang" });
  await signer.close();
  expect(childProcesses().length).toBeLessThan(2);
  await expect.poll(childProcesses, { timeout: 5_000 }).toEqual([]);
  shim.order();
});

it("the process ends with the application although a call is stuck in it", async () => {
  shim.order({ on: "C_Sign", act: "hang" });
  const before = shim.count("C_Sign");
  const program = fileURLToPath(new URL("../../processes/isolated.ts", import.meta.url));
  const env = environmentFor({ module: shim.module, token: hsm.token }, hsm.pin);
  const application = spawn(process.execPath, ["--import", "tsx", program], { env, stdio: "ignore" });
  await expect.poll(() => shim.count("C_Sign"), { timeout: 20_000 }).toBe(before + 1);
  const [child] = childProcesses(application.pid);
  expect(child).toBeGreaterThan(0);
  application.kill("SIGKILL");
  await expect.poll(() => existsSync(`/proc/${child}/cwd`), { timeout: 10_000 }).toBe(false);
  shim.order();
});

it("calls a message function once, when its request leaves the queue", async () => {
  await using signer = newSigner({ sessions: 1 });
  await signer.publicJwk();
  shim.order({ on: "C_Sign", act: { delay: 100 } });
  const times: number[] = [];
  const start = performance.now();
  const message = (n: number) => () => {
    times.push(performance.now() - start);
    return Buffer.from([n]);
  };
  await Promise.all([1, 2, 3, 4].map((n) => signer.sign(message(n))));
  expect(times).toHaveLength(4);
  for (const [index, time] of times.entries()) expect(time).toBeGreaterThan(90 * index);
});

it("doesn't try a wrong PIN again in a new process", async () => {
  const logins = shim.count("C_Login");
  for (let times = 0; times < 3; times++) {
    await using signer = newSigner({ pin: "wrong when isolated" });
    await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
  }
  expect(shim.count("C_Login")).toBe(logins + 1);
});
