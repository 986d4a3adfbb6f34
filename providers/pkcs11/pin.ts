/** Where a PIN comes from. */
import { readFile } from "node:fs/promises";
import { SignerError } from "../../src/errors.js";

/**
 * The PIN itself, the name of an environment variable, the path of a file (a line break at its end is not part of it),
 * or a function that is asked each time that it is needed.
 */
export type PinSource = string | { env: string } | { file: string } | (() => string | Promise<string>);

/**
 * @returns the PIN, never empty
 * @throws {SignerError} code `pin-required` if the source is empty or can't be read; nothing was tried
 */
export async function readPin(source: PinSource): Promise<string> {
  const pin = await readSource(source);
  if (typeof pin === "string" && pin !== "") return pin;
  throw new SignerError("pin-required", `${nameOf(source)} is empty. No login was tried.`);
}

async function readSource(source: PinSource): Promise<unknown> {
  if (typeof source === "string") return source;
  try {
    if (typeof source === "function") return await source();
    if ("env" in source) return process.env[source.env];
    return (await readFile(source.file, "utf8")).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new SignerError("pin-required", `${nameOf(source)} can't be read. No login was tried.`, { cause });
  }
}

function nameOf(source: PinSource): string {
  if (typeof source === "string") return "The PIN";
  if (typeof source === "function") return "What the PIN function gave";
  return "env" in source ? `The environment variable ${source.env}` : `The PIN file ${source.file}`;
}

/** @param scheme - of a URI with `pin-value` */
export function warnOfShownPin(scheme: string): void {
  const harm = "it ends up in logs and process lists. Use pin-source=env:NAME or a file.";
  process.emitWarning(`A ${scheme}: URI holds the PIN itself (pin-value): ${harm}`, { code: "HARDPROOF_PIN_IN_URI" });
}
