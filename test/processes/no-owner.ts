/**
 * The main thread never imports Hardproof, so two worker threads use the library independently. One closes its signer, signs
 * with a new one, and is terminated before the other signs again. Prints `one COUNT other COUNT`.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

const threadUrl = new URL("./signing-thread.ts", import.meta.url).href;
const code = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))`;
const start = () => new Worker(code, { eval: true });
const request = async (worker: Worker, message: number | "close") => {
  worker.postMessage(message);
  return (await once(worker, "message"))[0];
};
const [one, other] = [start(), start()];
const counts = { one: await request(one, 20), other: await request(other, 20) };
counts.one += await request(one, 20);
await request(one, "close");
counts.other += await request(other, 20);
counts.one += await request(one, 20);
await one.terminate();
counts.other += await request(other, 20);
console.log(`one ${counts.one} other ${counts.other}`);
process.exit();
