/**
 * The main thread imports PKCS#11 after it has started a worker thread, initialises the library, and closes its signer while
 * the worker still signs. Prints `main COUNT worker COUNT`.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { signerOptions } from "./options.js";

const threadUrl = new URL("./signing-thread.ts", import.meta.url).href;
const code = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))`;
const worker = new Worker(code, { eval: true });
const request = async (message: number | "close") => {
  worker.postMessage(message);
  return (await once(worker, "message"))[0];
};
const { Pkcs11Signer } = await import("../../providers/pkcs11/index.js");
const signer = new Pkcs11Signer(signerOptions());
const byMain = await Promise.all([1, 2, 3].map((n) => signer.sign(Buffer.from([n]))));
let byWorker = await request(5);
await signer.close();
byWorker += await request(10);
console.log(`main ${byMain.length} worker ${byWorker}`);
process.exit();
