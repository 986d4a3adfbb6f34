/** One token and many users of it: processes, a cluster, worker threads; and the garbage collector as the one that takes. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";
import { environmentFor } from "../../processes/options.js";
import { type FaultShim, faultShim } from "../../shim/fault-shim.js";
import { CKR } from "../../shim/return-values.js";

let hsm: SoftHsm;
let shim: FaultShim;
beforeAll(async () => {
  hsm = await softHsm({ label: "shared" });
  shim = faultShim(hsm.module);
});
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await hsm.close();
});

const program = (name: string) => fileURLToPath(new URL(`../../processes/${name}.ts`, import.meta.url));
const threadUrl = new URL("../../processes/signing-thread.ts", import.meta.url).href;
const environment = (module = hsm.module, pin = hsm.pin) => environmentFor({ module, token: hsm.token }, pin);
const newSigner = (more: Partial<Pkcs11SignerOptions> = {}) =>
  new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, ...more });
const sign = (signer: Pkcs11Signer, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));

// Several programs start here, each with its own compiler: slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

describe("processes", () => {
  it("each sign with the key; one is killed, one ends, and the others go on", async () => {
    await using signer = newSigner();
    const { x } = await signer.publicJwk();
    const start = () =>
      spawn(process.execPath, ["--import", "tsx", program("signing-process"), "50"], {
        env: environment(),
        stdio: ["pipe", "pipe", "inherit"],
      });
    const children = [start(), start(), start()];
    const lines = await Promise.all([...children.map(firstLine), sign(signer, 50).then(() => "")]);
    expect(lines.slice(0, 3)).toEqual(Array(3).fill(`signed 50 ${x}`));
    const [killed, ended, last] = children as [ChildProcess, ChildProcess, ChildProcess];
    killed.kill("SIGKILL");
    await once(killed, "exit");
    ended.stdin?.end("\n");
    expect((await once(ended, "exit"))[0]).toBe(0);
    await expect(sign(signer, 50)).resolves.toHaveLength(50);
    last.stdin?.end("\n");
    expect((await once(last, "exit"))[0]).toBe(0);
  });

  it("of a cluster, forked after the primary had opened the key", async () => {
    const args = ["--import", "tsx", program("cluster")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment() });
    expect(stdout.trim()).toBe("50 50 50 50 50");
  });
});

describe("worker threads", () => {
  const counts = () => [shim.count("C_Initialize"), shim.count("C_Finalize")] as const;
  let before: readonly [number, number];
  beforeEach(() => {
    before = counts();
  });
  // A thread that ended is noticed by the main thread a moment later.
  afterEach(async () => {
    const difference = () => counts()[0] - before[0] - (counts()[1] - before[1]);
    await expect.poll(difference).toBe(0);
  });

  // A worker thread has to register the TypeScript loader itself.
  const start = (pin?: string) =>
    new Worker(`import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))`, {
      eval: true,
      env: environment(shim.module, pin),
    });
  const ask = async (worker: Worker, message: number | "close") => {
    worker.postMessage(message);
    return (await once(worker, "message"))[0];
  };

  it("each sign; one closes its signer, one is ended while it signs, and the others go on", async () => {
    const [, finalized] = before;
    const signer = newSigner();
    const workers = [start(), start(), start()];
    expect(await Promise.all([...workers.map((worker) => ask(worker, 50)), sign(signer, 50).then(() => 50)])).toEqual(
      Array(4).fill(50),
    );
    const [closing, dying, staying] = workers as [Worker, Worker, Worker];
    expect(await ask(closing, "close")).toBe("closed");
    shim.order({ on: "C_Sign", act: { delay: 20 } });
    dying.postMessage(100);
    await expect.poll(() => shim.count("C_Sign"), { interval: 5 }).toBeGreaterThan(0);
    await dying.terminate();
    shim.order();
    expect(await Promise.all([ask(closing, 50), ask(staying, 50), sign(signer, 50).then(() => 50)])).toEqual([
      50, 50, 50,
    ]);
    await signer.close();
    expect(shim.count("C_Finalize")).toBe(finalized);
    expect(await ask(staying, 50)).toBe(50);
    await Promise.all([closing.terminate(), staying.terminate()]);
    const last = newSigner();
    await expect(sign(last, 10)).resolves.toHaveLength(10);
    await last.close();
    expect(shim.count("C_Finalize")).toBeGreaterThan(finalized);
  });

  it("that all have the same wrong PIN try it once, with the main thread", async () => {
    const logins = shim.count("C_Login");
    const workers = [start("wrong everywhere"), start("wrong everywhere"), start("wrong everywhere")];
    await using signer = newSigner({ pin: "wrong everywhere" });
    const asked = [sign(signer, 1).catch(String), ...workers.map((worker) => ask(worker, 1))];
    for (const answer of await Promise.all(asked)) expect(answer).toMatch(/tried once|wrong before/);
    expect(shim.count("C_Login") - logins).toBe(1);
    const [worker = expect.unreachable()] = workers;
    expect(await ask(worker, 1)).toMatch(/wrong before/);
    expect(shim.count("C_Login") - logins).toBe(1);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it("that are unreferenced are seen as well", async () => {
    await newSigner().close();
    const signer = newSigner();
    await signer.publicJwk();
    const worker = start();
    worker.unref();
    expect(await ask(worker, 5)).toBe(5);
    const finalized = shim.count("C_Finalize");
    await signer.close();
    expect(shim.count("C_Finalize")).toBe(finalized);
    expect(await ask(worker, 5)).toBe(5);
    await worker.terminate();
  });

  it("a recovery in one thread restarts the library for all, and the others go on", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const worker = start();
    expect(await ask(worker, 5)).toBe(5);
    shim.order({ on: "C_SignInit", act: { return: CKR.DEVICE_ERROR } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable" });
    shim.order();
    expect(await ask(worker, 5)).toBe(5);
    await expect.poll(() => sign(signer, 5), { timeout: 10_000 }).toHaveLength(5);
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
    expect(await ask(worker, 5)).toBe(5);
    await worker.terminate();
  });
});

describe("a worker thread from before the main thread imported PKCS#11", () => {
  it("keeps its library when the main thread's last signer closes", async () => {
    const finalized = shim.count("C_Finalize");
    const args = ["--import", "tsx", program("late-import")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment(shim.module) });
    expect(stdout.trim()).toBe("main 3 worker 15");
    expect(shim.count("C_Finalize")).toBe(finalized);
  });
});

describe("a worker thread that uses no PKCS#11, such as a logger's", () => {
  it("keeps no library from being restarted or finalised", async () => {
    const worker = new Worker("setInterval(() => undefined, 1000)", { eval: true });
    await once(worker, "online");
    const [initialized, finalized] = [shim.count("C_Initialize"), shim.count("C_Finalize")];
    const signer = newSigner();
    await signer.publicJwk();
    const lost = { until: "C_Initialize", act: { return: CKR.DEVICE_ERROR } } as const;
    shim.order({ on: "C_SignInit", ...lost }, { on: "C_OpenSession", ...lost });
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
    await signer.close();
    expect([shim.count("C_Initialize") - initialized, shim.count("C_Finalize") - finalized]).toEqual([2, 2]);
    await worker.terminate();
  });
});

describe("garbage collection", () => {
  it("takes no buffer from a call in flight: 10,000 signatures with a full thread pool are all right", async () => {
    const args = ["--expose-gc", "--import", "tsx", program("collecting-process")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment() });
    const [, collections] = /^right 10000 wrong 0 collections (\d+)$/m.exec(stdout) ?? expect.unreachable(stdout);
    expect(Number(collections)).toBeGreaterThan(100);
  });
});

async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}
