/** Reads PINs, and checks where they come from. */
import { stat } from "node:fs/promises";
import { SignerError } from "../errors.js";
import { checkPermissions } from "./file-permissions.js";
import type { Finding } from "./finding.js";
import { readSecret, readSecretFile, type SecretSource, trimSecret } from "./secret-source.js";

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
export async function checkPinSource(pin: SecretSource | undefined): Promise<Finding> {
  const check = "PIN source";
  if (pin === undefined) return { check, ok: null, found: "none" };
  if (typeof pin === "string")
    return { check, ok: null, found: "the PIN itself: use a pin-source to keep it out of logs and process lists" };
  if (typeof pin === "function") return { check, ok: null, found: "a function" };
  return "env" in pin ? checkVariable(check, pin.env) : checkFile(check, pin.file);
}

function checkVariable(check: string, name: string): Finding {
  const value = process.env[name];
  const found = `the environment variable ${name}`;
  if (!value) return { check, ok: false, found: `${found} is not set`, remedy: "Set it to the PIN." };
  const problem = pinProblem(trimSecret(value));
  if (problem) return { check, ok: false, found: `${found} ${problem}`, remedy: "Set it to the PIN." };
  return { check, ok: true, found: `${found} is set` };
}

async function checkFile(check: string, path: string): Promise<Finding> {
  const remedy = "Write the PIN to it, and allow only this user to read it.";
  const file = await stat(path).catch(() => undefined);
  // Reading a pipe could wait for its writer, even with --no-login.
  if (file && !file.isFile() && !file.isDirectory()) return { check, ok: null, found: `${path} is not a regular file` };
  const content = await readSecretFile(path).catch(() => undefined);
  if (!file || content === undefined) return { check, ok: false, found: `${path} can't be read`, remedy };
  const problem = pinProblem(trimSecret(content));
  if (problem) return { check, ok: false, found: `${path} ${problem}`, remedy };
  return checkPermissions({ check, secret: "PIN", path, mode: file.mode });
}
