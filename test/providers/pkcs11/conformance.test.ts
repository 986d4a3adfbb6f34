/** The conformance kit on SoftHSM, behind the shim that makes it hang, fail and count. */
import { conformance } from "hardproof/conformance";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, afterEach, describe, it } from "vitest";
import { softHsm } from "../../../softhsm/index.js";
import { faultShim } from "../../shim/fault-shim.js";

const CKR_SESSION_COUNT = 0xb1;
const hsm = await softHsm({ label: "conformance" });
await hsm.generateKey({ label: "p384", id: "02", type: "EC:secp384r1" });
const shim = faultShim(hsm.module);
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await hsm.close();
});

const openSigner = (more: Partial<Pkcs11SignerOptions> = {}) =>
  new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, ...more });

describe.each([{ binding: "graphene-pk11" }, { binding: "koffi" }, { isolate: true }] as const)(
  "the conformance kit, with %o",
  (way) => {
    const open = (more: Partial<Pkcs11SignerOptions> = {}) => openSigner({ ...way, ...more });
    const process = open();
    afterAll(() => process.close());
    const cases = conformance({
      open,
      secrets: [hsm.pin],
      connections: () => shim.count("C_Login"),
      wrongKey: { open: () => open({ key: "p384" }), found: "P-384" },
      failsFirst: async () => {
        // The shim counts the calls of each process: this one must go on.
        await process.publicJwk();
        shim.order({ on: "C_OpenSession", times: 1, act: { return: CKR_SESSION_COUNT } });
        return open();
      },
      hanging: (options) => {
        shim.order({ on: "C_Sign", act: "hang" });
        return open(options);
      },
    });
    for (const { name, run, notApplicable } of cases)
      it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
  },
);
