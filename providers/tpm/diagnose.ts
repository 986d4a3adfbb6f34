/** What stands between a URI and a key in a TPM: that of any PKCS#11 token, with the library found and pointed at its TPM. */
import type { Finding } from "../../src/provider.js";
import { diagnoseToken } from "../pkcs11/index.js";
import { pointLibraryAt } from "./environment.js";
import { findTpmModule } from "./module.js";
import { type TpmSignerOptions, withRemedy } from "./signer.js";

/** @throws {SignerError} code of what ends the look */
export async function* diagnoseTpm(options: TpmSignerOptions): AsyncGenerator<Finding> {
  const { module, token, pin, store, tcti } = options;
  const path = await findTpmModule(module);
  pointLibraryAt({ store, tcti });
  try {
    yield* diagnoseToken({ module: path, token, pin });
  } catch (error) {
    throw withRemedy(error);
  }
}
