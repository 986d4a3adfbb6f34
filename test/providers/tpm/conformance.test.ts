/** The conformance kit for TpmSigner, with a software TPM behind the fault shim. */
import { conformance } from "hardproof/conformance";
import { TpmSigner, type TpmSignerOptions } from "hardproof/tpm";
import { afterAll, afterEach, describe, inject, it } from "vitest";
import { faultShim } from "../../shim/fault-shim.js";
import { softTpm } from "../../tokens/index.js";

const CKR_SESSION_COUNT = 0xb1;
const unavailable = inject("unavailable").TPM;

describe.skipIf(unavailable)(`the conformance kit${unavailable ? ` (skipped. ${unavailable})` : ""}`, async () => {
  if (unavailable) return it("runs on a TPM");
  const tpm = await softTpm({ label: "conformance" });
  await tpm.generateKey({ label: "p384", id: "02", type: "EC:secp384r1" });
  const shim = faultShim(tpm.module);
  afterEach(() => shim.order());
  afterAll(async () => {
    shim.close();
    await tpm.close();
  });

  const open = (options: Partial<TpmSignerOptions> = {}) =>
    new TpmSigner({ module: shim.module, token: tpm.token, key: tpm.key.label, pin: tpm.pin, ...options });
  const cases = conformance({
    open,
    // A signature takes at least 2.5 ms.
    signatures: 50,
    secrets: [tpm.pin],
    connections: () => shim.count("C_Login"),
    wrongKey: { open: () => open({ key: "p384" }), found: "P-384" },
    failsFirst: () => {
      shim.order({ on: "C_OpenSession", times: 1, act: { return: CKR_SESSION_COUNT } });
      return open();
    },
    hanging: "The signers of a TPM take turns, so a call that hangs blocks all of them.",
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
