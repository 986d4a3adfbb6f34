/** Signs in a separate process until it is killed. */
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

await using signer = new Pkcs11Signer({ ...signerOptions(), isolate: true });
for (;;) await signer.sign(Buffer.from("x"));
