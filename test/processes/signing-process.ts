/** Makes as many signatures as its argument, prints `signed COUNT X` with the public key's `x`, and exits after it reads from stdin. */
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const count = Number(process.argv[2]);
const signer = new Pkcs11Signer(signerOptions());
const { x } = await signer.publicJwk();
const signatures = await Promise.all(
  Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${process.pid} ${n}`))),
);
console.log(`signed ${signatures.length} ${x}`);
await new Promise((resolve) => process.stdin.once("data", resolve));
await signer.close();
process.stdin.destroy();
