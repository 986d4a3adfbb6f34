/** The PKCS#11 suite on SoftHSM 2. */
import { execFileSync } from "node:child_process";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { pkcs11Suite } from "./suite.js";

const VARIANTS = [{ binding: "graphene-pk11" }, { binding: "koffi" }, { isolate: true }] as const;
for (const variant of VARIANTS)
  pkcs11Suite({
    name: `SoftHSM 2, with ${JSON.stringify(variant)}`,
    make: softHsm,
    signer: (options) => new Pkcs11Signer({ ...options, ...variant }),
    uri: ({ module }) => `pkcs11:token=tests;object=dpop?module-path=${module}`,
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
        token: { label: "tests", model: "SoftHSM v2", manufacturer: "SoftHSM project" },
        software: "SoftHSM",
        library: { description: "Implementation of PKCS11", manufacturer: "SoftHSM" },
      },
    },
    pinCountLow: ({ module }) =>
      execFileSync("pkcs11-tool", ["--module", module, "--list-token-slots"], { encoding: "utf8" }).includes(
        "user PIN count low",
      ),
  });
