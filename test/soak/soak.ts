/** Many proofs through one pool, with a session lost now and then, and a look at what they leave behind. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../../softhsm/index.js";
import { faultShim } from "../shim/fault-shim.js";

export interface SoakOptions {
  proofs: number;
  /** Ends earlier, with fewer proofs. */
  minutes: number;
  log?: (line: string) => void;
}

export interface SoakReport {
  readonly proofs: number;
  /** The most that were open at once, and what was open after `close()`. */
  readonly sessions: { readonly most: number; readonly left: number };
  /** Timers, handles and requests that keep the process alive: how many more than before the first proof. */
  readonly handles: number;
  /** Megabytes, from a tenth of the way, when all is warm, to the end. */
  readonly growth: { readonly heap: number; readonly resident: number };
}

const BATCHES = 20;
const AT_ONCE = 64;
const CKR_SESSION_HANDLE_INVALID = 0xb3;

export async function soak({ proofs, minutes, log = () => undefined }: SoakOptions): Promise<SoakReport> {
  await using hsm = await softHsm({ label: "soak" });
  const shim = faultShim(hsm.module);
  const until = performance.now() + minutes * 60_000;
  const handles = process.getActiveResourcesInfo().length;
  const signer = new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  const prover = await DPoPProver.create(signer);
  const memory = [];
  let made = 0;
  let most = 0;
  while (made < proofs && performance.now() < until) {
    shim.order({ on: "C_Sign", from: 100, times: 1, act: { return: CKR_SESSION_HANDLE_INVALID } });
    made += await makeProofs(prover, Math.min(Math.ceil(proofs / BATCHES), proofs - made));
    most = Math.max(most, shim.openSessions());
    memory.push(await memoryAfterCollection());
    log(`${made} proofs, ${shim.openSessions()} sessions, ${JSON.stringify(memory.at(-1))}`);
  }
  await signer.close();
  const [warm, last] = [memory[Math.floor(memory.length / 10)], memory.at(-1)];
  if (!warm || !last) throw new Error("There was no time for a single batch of proofs.");
  const report = {
    proofs: made,
    sessions: { most, left: shim.openSessions() },
    handles: process.getActiveResourcesInfo().length - handles,
    growth: { heap: last.heap - warm.heap, resident: last.resident - warm.resident },
  };
  shim.close();
  return report;
}

async function makeProofs(prover: DPoPProver, count: number): Promise<number> {
  let left = count;
  const keepMaking = async () => {
    while (left-- > 0) await prover.makeProof({ htm: "GET", htu: "https://api.example.com/resource" });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, keepMaking));
  return count;
}

async function memoryAfterCollection() {
  // What a signature's time-out holds is let go by the next turn of the loop.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10;
  return { heap: megabytes(heapUsed + external), resident: megabytes(rss) };
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");
