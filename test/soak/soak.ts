/** Makes many proofs with one signer, loses a session in each batch, and measures leaks of sessions, handles and memory. */
import { setTimeout } from "node:timers/promises";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { faultyPkcs11 } from "../../testing/pkcs11/faulty-pkcs11.js";
import { environmentFor } from "../processes/options.js";
import { startThread, type ThreadsReport, terminateAtRandom } from "./threads.js";

/** How long to run. */
export interface SoakOptions {
  proofs: number;
  /** The run ends after this time, even if it has made fewer proofs. */
  minutes: number;
  log?: (line: string) => void;
}

/** The figures of one run. */
export interface SoakReport {
  readonly proofs: number;
  /** The largest number of open sessions during the run, and the number after `close()`. */
  readonly sessions: { readonly max: number; readonly remaining: number };
  /** Increase of the timers, handles and requests that keep the process alive. */
  readonly handles: number;
  /** Increase in megabytes, from the first tenth of the run (after warm-up) to its end. */
  readonly growth: { readonly heap: number; readonly native: number };
}

const BATCHES = 20;
const CONCURRENCY = 64;
const CKR_SESSION_HANDLE_INVALID = 0xb3;

/** Makes up to `proofs` proofs with a SoftHSM key behind the fault shim. */
export async function soak({ proofs, minutes, log = () => undefined }: SoakOptions): Promise<SoakReport> {
  await using hsm = await softHsm({ label: "soak" });
  const shim = faultyPkcs11(hsm.module);
  const deadline = performance.now() + minutes * 60_000;
  const handles = process.getActiveResourcesInfo().length;
  const signer = new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  const prover = await DPoPProver.create(signer);
  const memory = [];
  let count = 0;
  let maxSessions = 0;
  while (count < proofs && performance.now() < deadline) {
    shim.order({ on: "C_Sign", from: 100, times: 1, act: { return: CKR_SESSION_HANDLE_INVALID } });
    count += await makeProofs(prover, Math.min(Math.ceil(proofs / BATCHES), proofs - count));
    maxSessions = Math.max(maxSessions, shim.openSessions());
    memory.push(await memoryAfterCollection());
    log(`${count} proofs, ${shim.openSessions()} sessions, ${JSON.stringify(memory.at(-1))}`);
  }
  await signer.close();
  await setTimeout(100); // the turns in which the worker has ended are over
  const [warm, last] = [memory[Math.floor(memory.length / 10)], memory.at(-1)];
  if (!warm || !last) throw new Error("The time was too short for one batch of proofs.");
  const report = {
    proofs: count,
    sessions: { max: maxSessions, remaining: shim.openSessions() },
    handles: process.getActiveResourcesInfo().length - handles,
    growth: { heap: last.heap - warm.heap, native: last.native - warm.native },
  };
  shim.close();
  return report;
}

async function makeProofs(prover: DPoPProver, count: number): Promise<number> {
  let remaining = count;
  const makeUntilDone = async () => {
    while (remaining-- > 0) await prover.makeProof({ htm: "GET", htu: "https://api.example.com/resource" });
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, makeUntilDone));
  return count;
}

async function memoryAfterCollection() {
  // A signature's timeout releases its memory in the next turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10;
  // V8 lets its young generation grow to 96 MB on Node 24, and keeps it. Only the memory outside its heap can leak unseen.
  return { heap: megabytes(heapUsed + external), native: megabytes(rss - getHeapStatistics().total_physical_size) };
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Terminates threads at random while logins and `C_Finalize` are slow. `initialized` is 0 if each `C_Initialize` was finalised. */
export async function soakThreads(milliseconds: number): Promise<ThreadsReport & { readonly initialized: number }> {
  await using hsm = await softHsm({ label: "soak" });
  const shim = faultyPkcs11(hsm.module);
  shim.order({ on: "C_Finalize", act: { delay: 20 } }, { on: "C_Login", act: { delay: 20 } });
  const env = (pin = hsm.pin) => environmentFor({ module: shim.module, token: hsm.token }, pin);
  const report = await terminateAtRandom({
    milliseconds,
    start: (pin) => startThread(new URL("../processes/signing-thread.ts", import.meta.url), env(pin)),
    wrongPins: shim.wrongPins,
    newSigner: () => new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin }),
  });
  const initialized = () => shim.count("C_Initialize") - shim.count("C_Finalize");
  for (let attempts = 50; attempts > 0 && initialized() !== 0; attempts--) await setTimeout(100);
  const remaining = initialized();
  shim.close();
  return { ...report, initialized: remaining };
}
