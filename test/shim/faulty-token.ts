/** A SoftHSM token behind the fault shim, for the tests of one file. */
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { afterAll, afterEach } from "vitest";
import { faultyPkcs11 } from "../../testing/pkcs11/faulty-pkcs11.js";

/** Creates the token. Clears all orders after each test, and deletes the token after the last one. */
export async function faultyToken(label: string) {
  const hsm = await softHsm({ label });
  const shim = faultyPkcs11(hsm.module);
  afterEach(() => shim.order());
  afterAll(async () => {
    shim.close();
    await hsm.close();
  });
  const newSigner = (more: Partial<Pkcs11SignerOptions> = {}) =>
    new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, ...more });
  return { hsm, shim, newSigner };
}
