/** Signs as often as its argument says, and prints `signed COUNT X`, with the public key's x; then waits to be ended. */
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const count = Number(process.argv[2]);
const signer = new Pkcs11Signer(signerOptions());
const { x } = await signer.publicJwk();
const made = await Promise.all(
  Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${process.pid} ${n}`))),
);
console.log(`signed ${made.length} ${x}`);
await new Promise((resolve) => process.stdin.once("data", resolve));
await signer.close();
process.stdin.destroy();
