/**
 * The main thread never imports Hardproof: two worker threads use the library on their own. One restarts it while the other
 * signs, one closes its signer, one is terminated. Prints `one COUNT other COUNT`.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

const threadUrl = new URL("./signing-thread.ts", import.meta.url).href;
const code = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(threadUrl)})))`;
const start = () => new Worker(code, { eval: true });
const ask = async (worker: Worker, message: number | "close") => {
  worker.postMessage(message);
  return (await once(worker, "message"))[0];
};
const [one, other] = [start(), start()];
const made = { one: await ask(one, 20), other: await ask(other, 20) };
made.one += await ask(one, 20);
await ask(one, "close");
made.other += await ask(other, 20);
made.one += await ask(one, 20);
await one.terminate();
made.other += await ask(other, 20);
console.log(`one ${made.one} other ${made.other}`);
process.exit();
