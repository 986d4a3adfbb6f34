/**
 * Starts 60 threads, one after the other, and then 20 at once. Each one signs and ends: one third close their signers, one
 * third exit without that, and one third are terminated. The main thread has a signer too, and closes it at the end. Prints
 * `signed COUNT`.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { signerOptions } from "./options.js";

const SEQUENTIAL = 60;
const CONCURRENT = 20;
const ENDS = ["close", "exit", "terminate"] as const;

/** JavaScript that imports the built package: 60 times the TypeScript loader would take a minute. */
const CODE = `
  const { parentPort, workerData: { options, end } } = require("node:worker_threads");
  import(${JSON.stringify(import.meta.resolve("hardproof/pkcs11"))}).then(async ({ Pkcs11Signer }) => {
    const signer = new Pkcs11Signer(options);
    const { length } = await signer.sign(Buffer.from("x"));
    if (end === "close") await signer.close();
    parentPort.postMessage(length);
    if (end === "exit") setImmediate(() => process.exit());
    if (end === "terminate") setInterval(() => undefined, 1_000);
  });`;

let signed = 0;
async function runThread(_: unknown, index: number): Promise<void> {
  const end = ENDS[index % ENDS.length];
  const thread = new Worker(CODE, { eval: true, workerData: { options: signerOptions(), end } });
  const exited = once(thread, "exit");
  const [length] = await once(thread, "message");
  if (length === 64) signed += 1;
  if (end === "terminate") await thread.terminate();
  await exited;
}

const signer = new Pkcs11Signer(signerOptions());
await signer.publicJwk();
for (let index = 0; index < SEQUENTIAL; index++) await runThread(undefined, index);
await Promise.all(Array.from({ length: CONCURRENT }, runThread));
await signer.sign(Buffer.from("x"));
await signer.close();
console.log(`signed ${signed}`);
