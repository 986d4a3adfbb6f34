/** Where a PIN comes from. */
import type { SecretSource } from "../../src/keystore/secret-source.js";

/** The PIN itself, the name of an environment variable, the path of a file, or a function that is called for each login. */
export type PinSource = SecretSource;

/**
 * Emits the warning `HARDPROOF_PIN_IN_URI`.
 *
 * @param scheme - The scheme of the URI that has a `pin-value`.
 */
export function warnOfShownPin(scheme: string): void {
  const harm = "it ends up in logs and process lists. Use pin-source=env:NAME or a file.";
  process.emitWarning(`A ${scheme}: URI contains the PIN itself (pin-value): ${harm}`, {
    code: "HARDPROOF_PIN_IN_URI",
  });
}
