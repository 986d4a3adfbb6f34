/** Several users of one token: processes, a cluster and worker threads; and the garbage collector during calls. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { environmentFor } from "../../processes/options.js";

let hsm: SoftHsm;
let shim: FaultyPkcs11;
beforeAll(async () => {
  hsm = await softHsm({ label: "shared" });
  shim = faultyPkcs11(hsm.module);
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

// Each test starts several programs, which compile their TypeScript: that is slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

describe("processes", () => {
  it("several processes sign with one key, and go on after one of them is killed and one exits", async () => {
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
    const [killed, exiting, last] = children as [ChildProcess, ChildProcess, ChildProcess];
    killed.kill("SIGKILL");
    await once(killed, "exit");
    exiting.stdin?.end("\n");
    expect((await once(exiting, "exit"))[0]).toBe(0);
    await expect(sign(signer, 50)).resolves.toHaveLength(50);
    last.stdin?.end("\n");
    expect((await once(last, "exit"))[0]).toBe(0);
  });

  it("a cluster's workers sign although they were forked after the primary opened the key", async () => {
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
  // The main thread notices the end of a thread with a delay.
  afterEach(async () => {
    const difference = () => counts()[0] - before[0] - (counts()[1] - before[1]);
    await expect.poll(difference).toBe(0);
  });

  // A worker thread doesn't inherit the TypeScript loader, so it registers tsx first.
  const start = (pin?: string) =>
    new Worker(`import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))`, {
      eval: true,
      env: environment(shim.module, pin),
    });
  const request = async (worker: Worker, message: number | "close") => {
    worker.postMessage(message);
    return (await once(worker, "message"))[0];
  };

  it("worker threads sign, and go on after one closes its signer and one is terminated while it signs", async () => {
    const [, finalized] = before;
    const signer = newSigner();
    const workers = [start(), start(), start()];
    expect(
      await Promise.all([...workers.map((worker) => request(worker, 50)), sign(signer, 50).then(() => 50)]),
    ).toEqual(Array(4).fill(50));
    const [closing, terminated, remaining] = workers as [Worker, Worker, Worker];
    expect(await request(closing, "close")).toBe("closed");
    shim.order({ on: "C_Sign", act: { delay: 20 } });
    terminated.postMessage(100);
    await expect.poll(() => shim.count("C_Sign"), { interval: 5 }).toBeGreaterThan(0);
    await terminated.terminate();
    shim.order();
    expect(await Promise.all([request(closing, 50), request(remaining, 50), sign(signer, 50).then(() => 50)])).toEqual([
      50, 50, 50,
    ]);
    await signer.close();
    expect(shim.count("C_Finalize")).toBe(finalized);
    expect(await request(remaining, 50)).toBe(50);
    await Promise.all([closing.terminate(), remaining.terminate()]);
    const last = newSigner();
    await expect(sign(last, 10)).resolves.toHaveLength(10);
    await last.close();
    expect(shim.count("C_Finalize")).toBeGreaterThan(finalized);
  });

  it("worker threads and the main thread try the same wrong PIN only once", async () => {
    const logins = shim.count("C_Login");
    const workers = [start("wrong everywhere"), start("wrong everywhere"), start("wrong everywhere")];
    await using signer = newSigner({ pin: "wrong everywhere" });
    const requests = [sign(signer, 1).catch(String), ...workers.map((worker) => request(worker, 1))];
    for (const response of await Promise.all(requests)) expect(response).toMatch(/tried once|wrong before/);
    expect(shim.count("C_Login") - logins).toBe(1);
    const [worker = expect.unreachable()] = workers;
    expect(await request(worker, 1)).toMatch(/wrong before/);
    expect(shim.count("C_Login") - logins).toBe(1);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it("an unreferenced worker thread also keeps the library initialised", async () => {
    await newSigner().close();
    const signer = newSigner();
    await signer.publicJwk();
    const worker = start();
    worker.unref();
    expect(await request(worker, 5)).toBe(5);
    const finalized = shim.count("C_Finalize");
    await signer.close();
    expect(shim.count("C_Finalize")).toBe(finalized);
    expect(await request(worker, 5)).toBe(5);
    await worker.terminate();
  });

  it("threads go on after a recovery in one of them has restarted the library", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const worker = start();
    expect(await request(worker, 5)).toBe(5);
    shim.order({ on: "C_SignInit", act: { return: CKR.DEVICE_ERROR } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable" });
    shim.order();
    expect(await request(worker, 5)).toBe(5);
    await expect.poll(() => sign(signer, 5), { timeout: 10_000 }).toHaveLength(5);
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(sign(signer, 5)).resolves.toHaveLength(5);
    expect(await request(worker, 5)).toBe(5);
    await worker.terminate();
  });
});

describe("a worker thread that was started before the main thread imported PKCS#11", () => {
  it("a worker thread that was started before the import keeps its library when the main thread's last signer closes", async () => {
    const finalized = shim.count("C_Finalize");
    const args = ["--import", "tsx", program("late-import")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment(shim.module) });
    expect(stdout.trim()).toBe("main 3 worker 15");
    expect(shim.count("C_Finalize")).toBe(finalized);
  });
});

describe("a worker thread that doesn't use PKCS#11, such as a logger's", () => {
  it("a worker thread without PKCS#11 doesn't keep the library from being restarted or finalised", async () => {
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

describe("the garbage collector", () => {
  it("no buffer of a call in flight is garbage collected: 10,000 signatures with a full thread pool are valid", async () => {
    const args = ["--expose-gc", "--import", "tsx", program("garbage-collection")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: environment() });
    const [, collections] = /^valid 10000 invalid 0 collections (\d+)$/m.exec(stdout) ?? expect.unreachable(stdout);
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
