/** The conformance kit for SoftHSM behind the fault shim, with a key for each algorithm. */
import { setTimeout as sleep } from "node:timers/promises";
import { type AlgorithmName, createKey, deleteKey, type KeySignerOptions, listKeys } from "hardproof";
import { conformance } from "hardproof/conformance";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { tokenWithKeys } from "../../shim/token-keys.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const CKR_SESSION_COUNT = 0xb1;
const { hsm, module, close } = await tokenWithKeys("conformance", testedAlgorithms("pkcs11"));
const shim = faultyPkcs11(module);
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await close();
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

/** Returns a count that doesn't change any more: a call that timed out, and was the last of its kit, may end after it. */
async function settled(count: () => number): Promise<number> {
  for (;;) {
    const before = count();
    await sleep(200);
    if (count() === before) return before;
  }
}

const VARIANTS = [{ binding: "graphene-pk11" }, { binding: "koffi" }, { isolate: true }] as const;
const [FIRST, SECOND] = VARIANTS;
/** The algorithms that don't run with each variant run with one of the two bindings, in turn. */
const variantsFor = (algorithm: AlgorithmName, index: number) =>
  ["ES256", "PS256"].includes(algorithm) ? VARIANTS : [index % 2 === 0 ? FIRST : SECOND];
const runs = testedAlgorithms("pkcs11").flatMap((algorithm, index) =>
  variantsFor(algorithm, index).map((variant) => ({ algorithm, variant })),
);

describe.each(testedAlgorithms("pkcs11"))("the conformance kit, for %s", (algorithm) => {
  const variants = runs.filter((one) => one.algorithm === algorithm).map(({ variant }) => variant);
  describe.each(variants)("with %o", (variant) => {
    const open = (more: Partial<Pkcs11SignerOptions> = {}) =>
      openSigner({ ...variant, algorithm, key: algorithm, ...more });
    // The shim counts an order's calls per process: this signer keeps the isolated process running.
    const keepAlive = open();
    const initialized = () => shim.count("C_Initialize") - shim.count("C_Finalize");
    let before = 0;
    beforeAll(async () => {
      before = await settled(initialized); // An isolated process that hung was killed, and never called C_Finalize.
    });
    afterAll(async () => {
      await keepAlive.close();
      // Calls that timed out on the slow store end later.
      if ("isolate" in variant) return;
      await vi.waitFor(() => expect(initialized()).toBe(before), { timeout: 20_000 });
    });
    const wrong = algorithm === "ES384" ? { key: "ES256", found: "P-256" } : { key: "ES384", found: "P-384" };
    const cases = conformance({
      open,
      secrets: [hsm.pin],
      connections: () => shim.count("C_Login"),
      wrongKey: { open: () => open({ key: wrong.key }), found: wrong.found },
      deleted: async () => {
        const uri = `pkcs11:token=conformance;object=doomed?module-path=${shim.module}`;
        await (await createKey(uri, { ...variant, algorithm: "ES256", pin: hsm.pin })).close();
        await deleteKey(uri, { ...variant, pin: hsm.pin });
        return open({ key: "doomed" });
      },
      failsFirst: async () => {
        await keepAlive.publicJwk();
        shim.order({ on: "C_OpenSession", times: 1, act: { return: CKR_SESSION_COUNT } });
        return open();
      },
      slow: algorithm === "ES256" ? slowStore(variant) : "The event loop is free with ES256, whose calls are the same.",
      hanging: (options) => {
        shim.order({ on: "C_Sign", act: "hang" });
        return open(options);
      },
      ...(algorithm !== "ES256" && { signatures: 50 }),
    });
    for (const { name, run, notApplicable } of cases)
      it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
  });
});
