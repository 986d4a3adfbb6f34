/** Signs, and exits without closing its signer. Prints `signed COUNT`. */
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const signer = new Pkcs11Signer(signerOptions());
const sign = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))));
const signatures = [...(await sign(2)), ...(await sign(200))];
console.log(`signed ${signatures.length}`);
