/** The PKCS#11 suite on NSS's softokn, which takes its database from `libraryParameters`. */

import { Pkcs11Signer } from "hardproof/pkcs11";
import { inject } from "vitest";
import { nssToken } from "../../tokens/index.js";
import { pkcs11Suite } from "./suite.js";

for (const binding of ["graphene-pk11", "koffi"] as const)
  pkcs11Suite({
    name: `NSS, by ${binding}`,
    unavailable: inject("unavailable").NSS,
    make: nssToken,
    signer: (options) => new Pkcs11Signer({ ...options, binding }),
    uri: ({ module }) => `pkcs11:token=tests;object=dpop?module-path=${module}`,
    facts: {
      protection: "software",
      // Its database does not keep CKA_LOCAL: the key was made there, and NSS does not say so.
      exportable: "unknown",
      evidence: {
        CKA_SENSITIVE: true,
        CKA_EXTRACTABLE: false,
        CKA_ALWAYS_SENSITIVE: true,
        CKA_NEVER_EXTRACTABLE: true,
        CKA_LOCAL: false,
        CKA_KEY_GEN_MECHANISM: undefined,
        token: { label: "tests", model: "NSS 3", manufacturer: "Mozilla Foundation" },
        library: { description: "NSS Internal Crypto Services", manufacturer: "Mozilla Foundation" },
      },
    },
    cannot: {
      serial: "all of its tokens have the same one",
      twins: "a second key with an id takes the first one's place",
      "pin count": "NSS has no such flag",
    },
  });
