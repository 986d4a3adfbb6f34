/** The PKCS#11 suite on NSS's softokn, which takes its database from `libraryParameters`. */
import { Pkcs11Signer } from "hardproof/pkcs11";
import { inject } from "vitest";
import { nssToken } from "../../tokens/index.js";
import { pkcs11Suite } from "./suite.js";

for (const binding of ["graphene-pk11", "koffi"] as const)
  pkcs11Suite({
    name: `NSS, with ${binding}`,
    unavailable: inject("unavailable").NSS,
    make: nssToken,
    signer: (options) => new Pkcs11Signer({ ...options, binding }),
    uri: ({ module }) => `pkcs11:token=tests;object=dpop?module-path=${module}`,
    facts: {
      protection: "software",
      // NSS's database doesn't store CKA_LOCAL, so NSS doesn't report that it generated the key.
      exportable: "unknown",
      evidence: {
        CKA_SENSITIVE: true,
        CKA_EXTRACTABLE: false,
        CKA_ALWAYS_SENSITIVE: true,
        CKA_NEVER_EXTRACTABLE: true,
        CKA_LOCAL: false,
        CKA_KEY_GEN_MECHANISM: undefined,
        token: { label: "tests", model: "NSS 3", manufacturer: "Mozilla Foundation" },
        software: "NSS softoken",
        library: { description: "NSS Internal Crypto Services", manufacturer: "Mozilla Foundation" },
      },
    },
    unsupported: {
      serial: "all NSS tokens have the same serial number",
      twins: "a second key with the same id replaces the first one",
      "pin count": "NSS doesn't have this flag",
    },
  });
