/** Secrets come from the environment, a file or standard input, never from an argument, which any user of a machine can read. */
import { readFile } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";

/** Where a secret is; of those that are set, the first. */
export interface SecretSource {
  /** What it is called in errors. */
  readonly name: string;
  readonly stdin?: boolean | undefined;
  /** Path of a file, `-` for standard input. */
  readonly file?: string | undefined;
  /** Name of an environment variable that must be there. */
  readonly env?: string | undefined;
  /** Name of one that may be there. */
  readonly defaultEnv?: string | undefined;
}

/**
 * @returns `undefined` if there is no source
 * @throws {UsageError} if the source can't be read, or is empty
 */
export async function readSecret(source: SecretSource, world: World): Promise<string | undefined> {
  const { name, stdin, file, env, defaultEnv } = source;
  if (stdin || file === "-") return filled(await readStdin(world), `${name}: standard input`);
  if (file !== undefined) return filled(await readTextFile(file, name), `${name}: the file`);
  if (env !== undefined) return filled(world.env[env], `${name}: the environment variable`);
  return (defaultEnv && world.env[defaultEnv]) || undefined;
}

export async function readStdin(world: World): Promise<string> {
  return text(openStdin(world));
}

/** Standard input, to be read to its end. It can be read once. */
export function openStdin({ stdin, stderr, signal }: World): Readable {
  if (stdin.readableEnded || stdin.destroyed) throw new UsageError("Standard input can stand for one thing only.");
  if (stdin.isTTY) stderr.write("Reading standard input. End it with Ctrl-D.\n");
  return addAbortSignal(signal, stdin);
}

async function readTextFile(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${name}: the file can't be read (${codeOf(cause)}).`, cause);
  }
}

/** A line break at its end is not part of it. */
function filled(value: string | undefined, what: string): string {
  const secret = value?.replace(/\r?\n$/, "");
  if (secret) return secret;
  throw new UsageError(`${what} is ${secret === undefined ? "not set" : "empty"}.`);
}

/** `ENOENT` and the like. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
