/** Standard input, which can be read for one option only. */
import { addAbortSignal, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

/** Names of standard input, which is read only once, and without an echo if it is a secret. */
const NAMES: readonly (string | undefined)[] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
const TERMINAL = "/dev/tty";

/**
 * Returns whether the path of an option means standard input. The terminal does, if it is standard input.
 *
 * @throws {UsageError} If the path is the terminal, and standard input isn't one: it is something else that must not be taken for
 *   what the user types.
 */
export function isStdin(path: string | undefined, option: string, { stdin }: Io): boolean {
  if (path !== TERMINAL) return NAMES.includes(path);
  if (stdin.isTTY) return true;
  throw new UsageError(`${option}: standard input isn't a terminal. Pass - to read it, or the path of a file.`);
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
