/**
 * The peer node-webcrypto-p11, in a process of its own since it may crash: `webcrypto-p11.ts MODULE TOKEN KEY`, the PIN in
 * HARDPROOF_PIN; see program.ts for what it is asked. Each session is a `Crypto` of its own: on one, a second signature
 * at the same time is CKR_OPERATION_ACTIVE.
 */
import { createInterface } from "node:readline";
import { Crypto, CryptoKey } from "node-webcrypto-p11";
import { awaited } from "./measure.js";

const [module = "", token = "", key = ""] = process.argv.slice(2);
const message = Buffer.alloc(430, "a");
const signers = await Promise.all(Array.from({ length: 4 }, openKey));

console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [sessions = 1, milliseconds = 0] = line.split(" ").map(Number);
  const turns = signers.slice(0, sessions).map((sign) => awaited(sign)(milliseconds));
  const rates = await Promise.all(turns);
  const perSecond = rates.reduce((sum, one) => sum + one, 0);
  console.log(`${Math.round(perSecond * 1000)} ${1e12}`);
}

async function openKey(): Promise<() => Promise<ArrayBuffer>> {
  const pkcs11 = onToken();
  for (const id of await pkcs11.keyStorage.keys()) {
    if (!id.startsWith("private")) continue;
    const found = await pkcs11.keyStorage.getItem(id, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
    if (found instanceof CryptoKey && found.key.label === key)
      return () => pkcs11.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, found, message);
  }
  throw new Error(`There is no private key ${key}.`);
}

/** It takes a token by its position. */
function onToken(slot = 0): Crypto {
  const pkcs11 = new Crypto({ library: module, slot, pin: process.env.HARDPROOF_PIN ?? "" });
  return pkcs11.slot.getToken().label.trimEnd() === token ? pkcs11 : onToken(slot + 1);
}
