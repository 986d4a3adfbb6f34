/** A third-party key store for `--provider`. It has one key in memory. */
import { generateKeyPairSync, sign } from "node:crypto";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

export const provider = {
  scheme: "thirdparty",
  open: (uri) => ({
    uri,
    publicJwk: async () => (uri.endsWith("locked") ? refuse() : publicKey.export({ format: "jwk" })),
    sign: async (data) => sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" }),
    describe: async () => ({
      provider: "thirdparty",
      uri,
      alg: "ES256",
      jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
      protection: "unknown",
      exportable: "unknown",
      evidence: {},
    }),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }),
};

/** A copy of Hardproof's class, as in a provider that bundles the package. */
class SignerError extends Error {
  name = "SignerError";
  code = "pin-locked";
}

function refuse() {
  throw new SignerError("The store is locked.");
}
