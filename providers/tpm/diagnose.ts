/** The checks of `hardproof doctor` for a key in a TPM: those for any PKCS#11 token, with remedies for a TPM. */
import type { Finding } from "../../src/keystore/finding.js";
import { diagnoseToken } from "../pkcs11/diagnose.js";
import type { KeyOnToken } from "../pkcs11/token-use.js";
import { rethrowWithRemedy } from "./errors.js";

/**
 * Yields one finding per check.
 *
 * @throws {SignerError} If a check fails and the next ones can't run.
 */
export async function* diagnoseTpm(key: KeyOnToken): AsyncGenerator<Finding> {
  try {
    yield* diagnoseToken(key);
  } catch (error) {
    rethrowWithRemedy(error);
  }
}
