/** The SDK's own copies of gRPC and the auth library. */

import { resolveInstalled } from "../../src/keystore/installed-package.js";
import { misconfigured } from "../../src/keystore/signer-error.js";

/** The package `google-gax`, which the SDK depends on. */
export type Gax = typeof import("google-gax");

/**
 * Loads the copy that the SDK uses: its classes are compared with `instanceof`.
 *
 * @throws {SignerError} With code `misconfigured` if the SDK is only in a bundle.
 */
export function loadGax(): Gax {
  const { createRequire } = process.getBuiltinModule("node:module");
  return createRequire(sdkPath())("google-gax");
}

function sdkPath(): string {
  try {
    return resolveInstalled("@google-cloud/kms");
  } catch (cause) {
    throw misconfigured(
      "An endpoint without TLS, a universe domain and the checks of `hardproof doctor` need @google-cloud/kms in " +
        "node_modules. Leave it out of the bundle (external): see docs/bundling.md.",
      { cause },
    );
  }
}
