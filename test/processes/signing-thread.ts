/**
 * A worker thread. A number makes it sign that often and respond with the count; `close` closes its signer and opens another;
 * `times` makes it sign four messages, and respond with the milliseconds after which each message function was called.
 */
import { parentPort } from "node:worker_threads";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

let signer = new Pkcs11Signer(signerOptions());
parentPort?.on("message", async (message: number | "close" | "times") => {
  try {
    if (message === "close") {
      await signer.close();
      signer = new Pkcs11Signer(signerOptions());
      return parentPort?.postMessage("closed");
    }
    if (message === "times") return parentPort?.postMessage(await messageTimes());
    const signatures = Array.from({ length: message }, (_, n) => signer.sign(Buffer.from(`${n}`)));
    return parentPort?.postMessage((await Promise.all(signatures)).length);
  } catch (error) {
    return parentPort?.postMessage(String(error));
  }
});

async function messageTimes(): Promise<number[]> {
  await signer.publicJwk();
  const start = performance.now();
  const times: number[] = [];
  const message = (n: number) => () => {
    times.push(performance.now() - start);
    return Buffer.from([n]);
  };
  await Promise.all([1, 2, 3, 4].map((n) => signer.sign(message(n))));
  return times;
}
