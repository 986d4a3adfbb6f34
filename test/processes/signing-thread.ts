/** A worker thread. A number makes it sign that often and respond with the count; `close` closes its signer and opens another. */
import { parentPort } from "node:worker_threads";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

let signer = new Pkcs11Signer(signerOptions());
parentPort?.on("message", async (message: number | "close") => {
  try {
    if (message === "close") {
      await signer.close();
      signer = new Pkcs11Signer(signerOptions());
      return parentPort?.postMessage("closed");
    }
    const signatures = Array.from({ length: message }, (_, n) => signer.sign(Buffer.from(`${n}`)));
    return parentPort?.postMessage((await Promise.all(signatures)).length);
  } catch (error) {
    return parentPort?.postMessage(String(error));
  }
});
