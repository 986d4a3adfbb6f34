/** Signs on a thread, and leaves without closing its signer. Prints `threads COUNT signed COUNT`. */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { told } from "./options.js";

const threads: Worker[] = [];
process.on("worker", (worker: Worker) => threads.push(worker));
const signer = new Pkcs11Signer(told());
const sign = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));
const made = await sign(2);
await once(threads[0] as Worker, "message");
await setImmediate();
made.push(...(await sign(200)));
console.log(`threads ${threads.length} signed ${made.length}`);
