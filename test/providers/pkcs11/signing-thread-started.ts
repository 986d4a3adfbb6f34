/** Waits for the thread that a PKCS#11 signer starts for its second signature: from then on it signs there. */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import type { Signer } from "hardproof";

export async function threaded(signer: Signer): Promise<void> {
  const started = once(process, "worker");
  await Promise.all(["a", "b"].map((text) => signer.sign(Buffer.from(text))));
  const [worker]: Worker[] = await started;
  if (worker) await once(worker, "message");
  await setImmediate(); // The signer hears of it in the same turn.
}
