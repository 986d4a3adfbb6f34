/** The conformance kit for TpmSigner, with a software TPM behind the fault shim, for each algorithm that it has. */
import { conformance } from "hardproof/conformance";
import { TpmSigner, type TpmSignerOptions } from "hardproof/tpm";
import { afterAll, afterEach, describe, inject, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { softTpm } from "../../tokens/index.js";

const CKR_SESSION_COUNT = 0xb1;
const unavailable = inject("unavailable").TPM;

/** A TPM has 2,048 bits at least; few have 4,096. */
const MODULUS_LENGTH = 2048;

describe.skipIf(unavailable)(`the conformance kit${unavailable ? ` (skipped. ${unavailable})` : ""}`, async () => {
  if (unavailable) return it("runs on a TPM");
  const tpm = await softTpm({ label: "conformance" });
  for (const [index, algorithm] of testedAlgorithms("tpm").entries())
    await tpm.addKey({ label: algorithm, id: `a${index}`, algorithm, modulusLength: MODULUS_LENGTH });
  const shim = faultyPkcs11(tpm.module);
  afterEach(() => shim.order());
  afterAll(async () => {
    shim.close();
    await tpm.close();
  });

  describe.each(testedAlgorithms("tpm"))("for %s", (algorithm) => {
    const open = (options: Partial<TpmSignerOptions> = {}) =>
      new TpmSigner({ module: shim.module, token: tpm.token, key: algorithm, algorithm, pin: tpm.pin, ...options });
    const wrong = algorithm === "ES384" ? { key: "ES256", found: "P-256" } : { key: "ES384", found: "P-384" };
    const cases = conformance({
      open,
      // A signature takes at least 2.5 ms.
      signatures: algorithm === "ES256" ? 50 : 10,
      secrets: [tpm.pin],
      connections: () => shim.count("C_Login"),
      wrongKey: { open: () => open({ key: wrong.key }), found: wrong.found },
      failsFirst: () => {
        shim.order({ on: "C_OpenSession", times: 1, act: { return: CKR_SESSION_COUNT } });
        return open();
      },
      hanging: "The signers of a TPM take turns, so a call that hangs blocks all of them.",
    });
    for (const { name, run, notApplicable } of cases)
      it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
  });
});
