/** Confirms the deletion of a key: by `--yes`, or by the key's name, typed at the terminal. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Context } from "./context.js";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

const NOTHING_DELETED = "Nothing was deleted.";

/**
 * Asks for the name of the key, unless `yes` is set.
 *
 * @param uri - The URI of the key, as the user wrote it. It isn't printed: it may contain a PIN.
 * @throws {UsageError} If the name isn't typed, or there is nobody to type it.
 */
export async function confirmDeletion(uri: string, yes: boolean | undefined, { io, output }: Context): Promise<void> {
  if (yes) return;
  if (output.json || !io.stdin.isTTY || !io.stderr.isTTY)
    throw new UsageError(`Pass --yes to confirm that the key is to be deleted. ${NOTHING_DELETED}`);
  const name = nameOf(uri);
  output.prompt(`This deletes the private key. Type its name to confirm: ${name}`);
  const typed = await readLine(io);
  if (typed.trim() === name) return;
  throw new UsageError(`That isn't the name of the key. ${NOTHING_DELETED}`);
}

/**
 * Returns what the user has to type: the label (RFC 7512) or the id of a key on a token, and otherwise the last part of the
 * path. A number alone is preceded by what it numbers: `dpop/cryptoKeyVersions/3`.
 */
export function nameOf(uri: string): string {
  const [path = ""] = uri.slice(uri.indexOf(":") + 1).split("?");
  const [, label] = /(?:^|;)object=([^;]+)/.exec(path) ?? /(?:^|;)id=([^;]+)/.exec(path) ?? [];
  const [, last] = /([^/]+\/[^/]+\/\d+)\/?$/.exec(path) ?? /([^/]+)\/?$/.exec(path) ?? [];
  return decoded(label ?? last ?? path);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // bytes that aren't UTF-8, such as those of an id
  }
}

/** Reads one line that the terminal echoes. Ctrl-C is the process's signal, which aborts. */
async function readLine({ stdin, signal }: Io): Promise<string> {
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    const ended = once(lines, "close", { signal }).then(() => [""]);
    const [line] = await Promise.race([once(lines, "line", { signal }), ended]);
    return String(line);
  } finally {
    lines.close();
  }
}
