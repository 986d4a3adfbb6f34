/** Checks where a secret comes from, for `diagnose`: whether it is there, and who else can read it. */
import { stat } from "node:fs/promises";
import { checkPermissions } from "./file-permissions.js";
import type { Finding } from "./finding.js";
import { readSecretFile, type SecretSource, trimSecret } from "./secret-source.js";

/** The secret to check. */
export interface SecretToCheck {
  /** What is checked, as in {@link Finding.check}: `PIN source`. */
  readonly check: string;
  /** What the secret is, in one word: `PIN`. */
  readonly secret: string;
  /** Returns why the text can't be the secret, such as `is too long`; `undefined` if it can. */
  readonly problemOf?: (secret: string) => string | undefined;
}

/**
 * Checks that a secret can be read, and that other users can't read its file. The secret isn't used. A function isn't
 * called.
 */
export async function checkSecretSource(secret: SecretToCheck, source: SecretSource | undefined): Promise<Finding> {
  const { check, secret: name } = secret;
  if (source === undefined) return { check, ok: null, found: "none" };
  if (typeof source === "string") {
    const advice = `use a ${name === "PIN" ? "pin" : name}-source to keep it out of logs and process lists`;
    return { check, ok: null, found: `the ${name} itself: ${advice}` };
  }
  if (typeof source === "function") return { check, ok: null, found: "a function" };
  return "env" in source ? checkVariable(secret, source.env) : checkFile(secret, source.file);
}

function checkVariable({ check, secret, problemOf = emptiness }: SecretToCheck, name: string): Finding {
  const value = process.env[name];
  const found = `the environment variable ${name}`;
  const remedy = `Set it to the ${secret}.`;
  if (!value) return { check, ok: false, found: `${found} is not set`, remedy };
  const problem = problemOf(trimSecret(value));
  if (problem) return { check, ok: false, found: `${found} ${problem}`, remedy };
  return { check, ok: true, found: `${found} is set` };
}

async function checkFile({ check, secret, problemOf = emptiness }: SecretToCheck, path: string): Promise<Finding> {
  const remedy = `Write the ${secret} to it, and allow only this user to read it.`;
  const file = await stat(path).catch(() => undefined);
  // Reading a pipe could wait for its writer, even with --no-login.
  if (file && !file.isFile() && !file.isDirectory()) return { check, ok: null, found: `${path} is not a regular file` };
  const content = await readSecretFile(path).catch(() => undefined);
  if (!file || content === undefined) return { check, ok: false, found: `${path} can't be read`, remedy };
  const problem = problemOf(trimSecret(content));
  if (problem) return { check, ok: false, found: `${path} ${problem}`, remedy };
  return checkPermissions({ check, secret, path, mode: file.mode });
}

function emptiness(secret: string): string | undefined {
  return secret === "" ? "is empty" : undefined;
}
