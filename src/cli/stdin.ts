/** Standard input, which can be read for one option only. */
import { addAbortSignal, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

/** Names of standard input, which is read only once, and without an echo if it is a secret. */
const NAMES: readonly (string | undefined)[] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/dev/tty"];

/** Returns whether a path means standard input, or the terminal. */
export function isStdin(path: string | undefined): boolean {
  return NAMES.includes(path);
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
