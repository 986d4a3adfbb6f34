/** A worker thread that signs as often as it is asked to, and closes its signer when told. */
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
    const made = Array.from({ length: message }, (_, n) => signer.sign(Buffer.from(`${n}`)));
    return parentPort?.postMessage((await Promise.all(made)).length);
  } catch (error) {
    return parentPort?.postMessage(String(error));
  }
});
