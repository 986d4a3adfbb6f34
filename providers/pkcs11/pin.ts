/** Reads PINs, and checks them before they are sent to a token. */
import { SignerError } from "../../src/errors.js";
import { readSecret, type SecretSource } from "../../src/keystore/secret-source.js";

/** The PIN itself, the name of an environment variable, the path of a file, or a function that is called for each login. */
export type PinSource = SecretSource;

const NOTE = "No login was attempted.";

/**
 * Reads a PIN.
 *
 * @returns The PIN, which is never empty.
 * @throws {SignerError} With code `pin-required` if the source is empty or can't be read, or its content can't be a PIN,
 *   because the token would count the attempt.
 */
export async function readPin(source: PinSource): Promise<string> {
  const pin = await readSecret(source, { name: "PIN", note: NOTE });
  const problem = pinProblem(pin);
  if (problem) throw new SignerError("pin-required", `The PIN ${problem}. ${NOTE}`);
  return pin;
}

/** Returns why the text can't be a PIN; `undefined` if it can. */
export function pinProblem(pin: string): string | undefined {
  if (pin === "") return "is empty";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a PIN can't contain control characters.
  return /[\0-\x1f\x7f]/.test(pin) ? "contains a line break or another control character" : undefined;
}

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
