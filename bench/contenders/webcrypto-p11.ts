/**
 * `webcrypto-p11.ts MODULE TOKEN KEY`: signs with node-webcrypto-p11. The PIN is in HARDPROOF_PIN. Each caller has a
 * `Crypto` object, hence a session, of its own: two concurrent signatures in one session fail with CKR_OPERATION_ACTIVE.
 */
import graphene from "graphene-pk11";
import { Crypto, CryptoKey } from "node-webcrypto-p11";
import { type Call, compete } from "./answer.js";

/** `CKF_OS_LOCKING_OK`. */
const OS_LOCKING = 2;
const [module = "", token = "", key = ""] = process.argv.slice(2);
const message = Buffer.alloc(430, "a");

// node-webcrypto-p11 doesn't ask for locks, without which a library may crash or hang when several threads call it. It
// accepts a library that has been initialised before.
graphene.Module.load(module).initialize({ flags: OS_LOCKING });
const idle = await Promise.all(Array.from({ length: 4 }, openKey));
await compete(async () => {
  const sign = idle.pop();
  if (!sign) throw new Error("There are more callers than sessions.");
  await sign();
  idle.push(sign);
});

async function openKey(): Promise<Call> {
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
