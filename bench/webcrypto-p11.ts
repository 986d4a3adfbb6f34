/**
 * Signs with node-webcrypto-p11 in a child process, because it may crash: `webcrypto-p11.ts MODULE TOKEN KEY`, with the
 * PIN in HARDPROOF_PIN. See `signing` in program.ts for the protocol. Each session is a separate `Crypto` object: two
 * concurrent signatures on one object fail with CKR_OPERATION_ACTIVE.
 */
import { createInterface } from "node:readline";
import { Crypto, CryptoKey } from "node-webcrypto-p11";
import { asyncCalls } from "./measure.js";

const [module = "", token = "", key = ""] = process.argv.slice(2);
const message = Buffer.alloc(430, "a");
const signers = await Promise.all(Array.from({ length: 4 }, openKey));

console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const [sessions = 1, milliseconds = 0] = line.split(" ").map(Number);
  const turns = signers.slice(0, sessions).map((sign) => asyncCalls(sign)(milliseconds));
  const rates = await Promise.all(turns);
  const perSecond = rates.reduce((sum, one) => sum + one, 0);
  console.log(`${Math.round(perSecond * 1000)} ${1e12}`);
}

async function openKey(): Promise<() => Promise<ArrayBuffer>> {
  const pkcs11 = openToken();
  for (const id of await pkcs11.keyStorage.keys()) {
    if (!id.startsWith("private")) continue;
    const found = await pkcs11.keyStorage.getItem(id, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
    if (found instanceof CryptoKey && found.key.label === key)
      return () => pkcs11.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, found, message);
  }
  throw new Error(`The token does not have a private key with the label ${key}.`);
}

/** Tries the slots in order, because node-webcrypto-p11 selects a token only by its slot index. */
function openToken(slot = 0): Crypto {
  const pkcs11 = new Crypto({ library: module, slot, pin: process.env.HARDPROOF_PIN ?? "" });
  return pkcs11.slot.getToken().label.trimEnd() === token ? pkcs11 : openToken(slot + 1);
}
