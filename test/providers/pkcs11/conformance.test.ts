/** The conformance kit for SoftHSM behind the fault shim. */
import { createKey, type KeySignerOptions, listKeys } from "hardproof";
import { conformance } from "hardproof/conformance";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
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

const SLOW_CALLS = [
  "C_OpenSession",
  "C_GetAttributeValue",
  "C_SignInit",
  "C_GenerateKeyPair",
  "C_FindObjects",
] as const;
const CKR_CRYPTOKI_NOT_INITIALIZED = 0x190;

/** Returns the kit's slow operations, on a token whose calls take a second. */
function slowStore(variant: Partial<Pkcs11SignerOptions>) {
  const uri = (object: string) => `pkcs11:token=conformance;object=${object}?module-path=${shim.module}`;
  const slowDown = () => shim.order(...SLOW_CALLS.map((on) => ({ on, act: { delay: 1_000 } })));
  const openedSigner = async (options: KeySignerOptions) => {
    shim.order();
    const signer = openSigner({ ...variant, ...options });
    // The library may still be busy with the previous case.
    await vi.waitFor(() => signer.publicJwk(), { timeout: 10_000 });
    return signer;
  };
  const callOptions = (options: KeySignerOptions) => ({ ...variant, ...options, pin: hsm.pin });
  return {
    opening: async (options: KeySignerOptions) => {
      slowDown();
      const signer = openSigner({ ...variant, ...options });
      return signer.publicJwk().finally(() => signer.close());
    },
    describing: async (options: KeySignerOptions) => {
      const signer = await openedSigner(options);
      slowDown();
      return signer.describe().finally(() => signer.close());
    },
    recovering: async (options: KeySignerOptions) => {
      const signer = await openedSigner(options);
      const lost = { times: 1, act: { return: CKR_CRYPTOKI_NOT_INITIALIZED } } as const;
      shim.order({ on: "C_SignInit", ...lost }, { on: "C_OpenSession", act: { delay: 1_000 } });
      return signer.sign(Buffer.from("x")).finally(() => signer.close());
    },
    making: async (options: KeySignerOptions) => {
      slowDown();
      return createKey(uri("slow"), callOptions(options));
    },
    listing: async (options: KeySignerOptions) => {
      slowDown();
      return listKeys(uri("dpop"), callOptions(options));
    },
  };
}

describe.each([{ binding: "graphene-pk11" }, { binding: "koffi" }, { isolate: true }] as const)(
  "the conformance kit, with %o",
  (variant) => {
    const open = (more: Partial<Pkcs11SignerOptions> = {}) => openSigner({ ...variant, ...more });
    // The shim counts an order's calls per process: this signer keeps the isolated process running.
    const keepAlive = open();
    afterAll(async () => {
      await keepAlive.close();
      // Calls that timed out on the slow store end later.
      if ("isolate" in variant) return;
      const initialized = () => shim.count("C_Initialize") - shim.count("C_Finalize");
      await vi.waitFor(() => expect(initialized()).toBe(0), { timeout: 20_000 });
    });
    const cases = conformance({
      open,
      secrets: [hsm.pin],
      connections: () => shim.count("C_Login"),
      wrongKey: { open: () => open({ key: "p384" }), found: "P-384" },
      failsFirst: async () => {
        await keepAlive.publicJwk();
        shim.order({ on: "C_OpenSession", times: 1, act: { return: CKR_SESSION_COUNT } });
        return open();
      },
      slow: slowStore(variant),
      hanging: (options) => {
        shim.order({ on: "C_Sign", act: "hang" });
        return open(options);
      },
    });
    for (const { name, run, notApplicable } of cases)
      it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
  },
);
