/** Reads PINs, and checks where they come from. */
import { SignerError } from "../errors.js";
import type { Finding } from "./finding.js";
import { checkSecretSource } from "./secret-check.js";
import { readSecret, type SecretSource } from "./secret-source.js";

const NOTE = "No login was attempted.";

/**
 * Reads a PIN.
 *
 * @returns The PIN, which is never empty.
 * @throws {SignerError} With code `pin-required` if the source is empty or can't be read, or its content can't be a PIN,
 *   because the store would count the attempt.
 */
export async function readPin(source: SecretSource): Promise<string> {
  const pin = await readSecret(source, { name: "PIN", note: NOTE });
  const problem = pinProblem(pin);
  if (problem) throw new SignerError("pin-required", `The PIN ${problem}. ${NOTE}`);
  return pin;
}

/** Returns why the text can't be a PIN; `undefined` if it can. */
function pinProblem(pin: string): string | undefined {
  if (pin === "") return "is empty";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a PIN can't contain control characters.
  return /[\0-\x1f\x7f]/.test(pin) ? "contains a line break or another control character" : undefined;
}

/** Checks that the PIN can be read, and that other users can't read its file. Doesn't call a function. */
export function checkPinSource(pin: SecretSource | undefined): Promise<Finding> {
  return checkSecretSource({ check: "PIN source", secret: "PIN", problemOf: pinProblem }, pin);
}
