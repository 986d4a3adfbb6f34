/** PINs, as they are read and checked before a token sees them. */
import { SignerError } from "../../src/errors.js";
import { readSecret, type SecretSource } from "../../src/keystore/secret-source.js";

/**
 * The PIN itself, the name of an environment variable, the path of a file, or a function that is called for each login.
 * A byte order mark at the beginning and line breaks at the end aren't part of the PIN.
 */
export type PinSource = SecretSource;

const NOTE = "No login was tried.";

/**
 * Reads a PIN.
 *
 * @returns The PIN, which is never empty.
 * @throws {SignerError} With code `pin-required` if the source is empty or can't be read, or what it contains can't be a
 *   PIN: a wrong try would count.
 */
export async function readPin(source: PinSource): Promise<string> {
  const secret = await readSecret(source, { name: "PIN", note: NOTE });
  const pin = secret.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
  if (pin === "") throw new SignerError("pin-required", `The PIN is empty. ${NOTE}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: PINs are typed at keyboards and PIN pads.
  if (/[\0-\x1f\x7f]/.test(pin))
    throw new SignerError("pin-required", `The PIN contains a line break or another control character. ${NOTE}`);
  return pin;
}

/** @param scheme - Of a URI with `pin-value`. */
export function warnOfShownPin(scheme: string): void {
  const harm = "it ends up in logs and process lists. Use pin-source=env:NAME or a file.";
  process.emitWarning(`A ${scheme}: URI contains the PIN itself (pin-value): ${harm}`, {
    code: "HARDPROOF_PIN_IN_URI",
  });
}
