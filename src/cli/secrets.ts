/**
 * Reads secrets from the environment, a file or standard input. A secret is never an argument: any user of the machine
 * can read the command lines of its processes.
 */
import { readFile } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

/** Where to read a secret from. The first source that is set is used. */
export interface SecretSource {
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
export async function readSecret(source: SecretSource, io: Io): Promise<string | undefined> {
  const { name, stdin, file, env, defaultEnv } = source;
  if (stdin || file === "-") return nonEmpty(await readStdin(io), `${name}: standard input`);
  if (file !== undefined) return nonEmpty(await readTextFile(file, name), `${name}: the file`);
  if (env !== undefined) return nonEmpty(io.env[env], `${name}: the environment variable`);
  return (defaultEnv && io.env[defaultEnv]) || undefined;
}

/** Reads standard input to its end. */
export async function readStdin(io: Io): Promise<string> {
  return text(openStdin(io));
}

/**
 * Opens standard input for reading to its end.
 *
 * @throws {UsageError} If it was read before.
 */
export function openStdin({ stdin, stderr, signal }: Io): Readable {
  if (stdin.readableEnded || stdin.destroyed) throw new UsageError("Standard input can be read for one option only.");
  if (stdin.isTTY) stderr.write("Reading standard input. Press Ctrl-D to end it.\n");
  return addAbortSignal(signal, stdin);
}

async function readTextFile(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${name}: the file can't be read (${errorCode(cause)}).`, cause);
  }
}

/** Removes one line break at the end, which isn't part of the secret. */
function nonEmpty(value: string | undefined, source: string): string {
  const secret = value?.replace(/\r?\n$/, "");
  if (secret) return secret;
  throw new UsageError(`${source} is ${secret === undefined ? "not set" : "empty"}.`);
}

/** Returns the error's code, such as `ENOENT`. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
