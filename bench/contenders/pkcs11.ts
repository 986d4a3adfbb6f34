/**
 * `pkcs11.ts OPTIONS SIGNERS`: proofs with a key on a token, by one signer or by many in turn, with the options of
 * `Pkcs11Signer` as JSON and the PIN in HARDPROOF_PIN.
 */
import { Pkcs11Signer } from "hardproof/pkcs11";
import { compete } from "./answer.js";
import { type MakeProof, proofMaker } from "./request.js";

const [options = "{}", signers = "1"] = process.argv.slice(2);
const makers: MakeProof[] = [];
for (let i = 0; i < Number(signers); i++)
  makers.push(await proofMaker(new Pkcs11Signer({ ...JSON.parse(options), pin: process.env.HARDPROOF_PIN ?? "" })));

let next = 0;
await compete(() => makers[next++ % makers.length]?.());
