/** The PKCS#11 suite on a TPM 2.0: swtpm through tpm2-pkcs11. */
import { TpmSigner } from "hardproof/tpm";
import { inject } from "vitest";
import { softTpm } from "../../tokens/index.js";
import { pkcs11Suite } from "./suite.js";

for (const binding of ["graphene-pk11", "koffi"] as const)
  pkcs11Suite({
    name: `a TPM, with ${binding}`,
    unavailable: inject("unavailable").TPM,
    make: softTpm,
    signer: (options) => new TpmSigner({ ...options, binding }),
    uri: ({ module }) => `tpm:token=tests;object=dpop?module-path=${module}`,
    facts: {
      protection: "software",
      exportable: false,
      evidence: {
        CKA_SENSITIVE: true,
        CKA_EXTRACTABLE: false,
        CKA_ALWAYS_SENSITIVE: true,
        CKA_NEVER_EXTRACTABLE: true,
        CKA_LOCAL: true,
        CKA_KEY_GEN_MECHANISM: "CKM_EC_KEY_PAIR_GEN",
        token: { label: "tests", model: "SW   TPM", manufacturer: "IBM" },
        library: { description: "TPM2.0 Cryptoki", manufacturer: "tpm2-software.github.io" },
        CKF_HW_SLOT: true,
        software: "software TPM (IBM SW TPM, such as swtpm)",
      },
    },
    unsupported: {
      extractable: "tpm2-pkcs11 doesn't create extractable keys",
      "pin count": "tpm2-pkcs11 doesn't have this flag",
    },
  });
