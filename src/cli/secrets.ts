/**
 * Reads secrets from the environment, a file or standard input. A secret is never an argument: any user of the machine
 * can read the command lines of its processes.
 */
import { readFile } from "node:fs/promises";
import { errorCode, UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { readStdin } from "./stdin.js";

/** Where to read a secret from. The first source that is set is used. */
export interface SecretOptions {
  /** The secret's name in errors: `The client secret`. */
  readonly name: string;
  /** Whether to read standard input. */
  readonly stdin?: boolean | undefined;
  /** Path of a file, or `-` for standard input. */
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
  const { name, stdin, file, env, defaultEnv } = source;
  if (stdin || file === "-") return nonEmpty(await readStdin(io), `${name}: standard input`);
  if (file !== undefined) return nonEmpty(await readTextFile(file, name), `${name}: the file`);
  if (env !== undefined) return nonEmpty(io.env[env], `${name}: the environment variable`);
  return trimSecret((defaultEnv && io.env[defaultEnv]) || "") || undefined;
}

async function readTextFile(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${name}: the file can't be read (${errorCode(cause)}).`, cause);
  }
}

/** Removes what isn't part of a secret, as for the secrets of key stores: a byte order mark, and line breaks at the end. */
function trimSecret(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
}

function nonEmpty(value: string | undefined, source: string): string {
  const secret = value && trimSecret(value);
  if (secret) return secret;
  throw new UsageError(`${source} is ${value === undefined ? "not set" : "empty"}.`);
}
