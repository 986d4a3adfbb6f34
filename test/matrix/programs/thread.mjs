/** A worker thread of an application that signs with a key on a token. */
import { parentPort } from "node:worker_threads";
import { openSigner } from "hardproof";

const { pkcs11 } = JSON.parse(process.env.CHECK);
try {
  const signer = await openSigner(pkcs11);
  await signer.sign(Buffer.from("message"));
  await signer.close();
  parentPort.postMessage("signed");
} catch (error) {
  parentPort.postMessage(`${error.code}: ${error.message}`);
}
