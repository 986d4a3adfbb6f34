/**
 * Reads secrets from the environment, a file or standard input. A secret is never an argument: any user of the machine
 * can read the command lines of its processes.
 */
import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-codes.js";
import { fileError } from "./file-error.js";
import type { Io } from "./io.js";
import { isStdin, readStdin } from "./stdin.js";
import { readHiddenLine } from "./terminal/hidden-line.js";

/** Where to read a secret from. The first source that is set is used. */
export interface SecretOptions {
  /** The secret's name in errors: `The client secret`. */
  readonly name: string;
  /** The option that names the file: `--client-secret-file`. */
  readonly fileOption: string;
  /** Whether to read standard input. */
  readonly stdin?: boolean | undefined;
  /** Path of a file, or `-` for standard input. At a terminal, the user is asked, and what they type isn't shown. */
  readonly file?: string | undefined;
  /** Name of an environment variable that must be set. */
  readonly env?: string | undefined;
  /** Name of an environment variable that may be set. */
  readonly defaultEnv?: string | undefined;
}

/**
 * Reads a secret.
 *
 * @returns The secret, or `undefined` if no source is set.
 * @throws {UsageError} If the source can't be read or is empty.
 */
export async function readSecret(source: SecretOptions, io: Io): Promise<string | undefined> {
  const { name, fileOption, stdin, file, env, defaultEnv } = source;
  const where = `${name}: ${sourceName(source, io)}`;
  if (stdin || isStdin(file, fileOption, io)) return readTyped(name, where, io);
  if (file !== undefined) return nonEmpty(await readTextFile(file, fileOption), where);
  if (env !== undefined) return nonEmpty(io.env[env], where);
  return trimSecret((defaultEnv && io.env[defaultEnv]) || "") || undefined;
}

/** Returns the name of the source of a secret in errors. */
export function sourceName({ fileOption, stdin, file, env, defaultEnv = "" }: SecretOptions, io: Io): string {
  if (stdin || isStdin(file, fileOption, io)) return "standard input";
  return file === undefined ? variableName(env ?? defaultEnv) : `the file of ${fileOption}`;
}

async function readTyped(name: string, where: string, io: Io): Promise<string> {
  if (io.stdin.isTTY) return readHiddenLine(`${name}, which isn't shown.`, name, io);
  return nonEmpty(await readStdin(io), where);
}

/** A name in lower case may be the token itself, in the place of the variable's name. */
function variableName(env: string): string {
  return /^[A-Z_][A-Z0-9_]{0,40}$/.test(env) ? `the environment variable ${env}` : "the environment variable";
}

async function readTextFile(path: string, option: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw fileError(option, "read", cause);
  }
}

/** Removes what isn't part of a secret, as for the secrets of key stores: a byte order mark, and line breaks at the end. */
function trimSecret(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
}

function nonEmpty(value: string | undefined, source: string): string {
  const secret = value && trimSecret(value);
  if (secret) return secret;
  const problem = value === undefined ? "is not set. Export it, and pass its name, not its value" : "is empty";
  throw new UsageError(`${source} ${problem}.`);
}
