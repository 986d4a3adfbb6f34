/** What stands between a URI and a key in a TPM: that of any PKCS#11 token, with a remedy for a TPM. */
import type { Finding } from "../../src/keystore/finding.js";
import { diagnoseToken } from "../pkcs11/diagnose.js";
import type { KeyOnToken } from "../pkcs11/token-use.js";
import { withRemedy } from "./signer.js";

/** @throws {SignerError} code of what ends the look */
export async function* diagnoseTpm(wanted: KeyOnToken): AsyncGenerator<Finding> {
  try {
    yield* diagnoseToken(wanted);
  } catch (error) {
    withRemedy(error);
  }
}
