/** Confirms the deletion of a key: by `--yes`, or by the key's name, typed at the terminal. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { openSigner } from "../index.js";
import type { Context } from "./context.js";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { nameOfKey } from "./key-name.js";

const NOTHING_DELETED = "Nothing was deleted.";

/**
 * Asks for the name of the key, unless `yes` is set.
 *
 * @param uri - The URI of the key, as the user wrote it. It isn't printed: it may contain a PIN.
 * @throws {UsageError} If the name isn't typed, the URI doesn't have one, or there is no terminal to type it at.
 * @throws {SignerError} With code `misconfigured` if the URI is malformed. Nothing is printed then.
 */
export async function confirmDeletion(uri: string, yes: boolean | undefined, { io, output }: Context): Promise<void> {
  if (yes) return;
  if (output.json || !io.stdin.isTTY || !io.stderr.isTTY)
    throw new UsageError(`Pass --yes to confirm that the key is to be deleted. ${NOTHING_DELETED}`);
  const name = await checkedName(uri);
  output.prompt(`This deletes the private key. Type its name to confirm: ${name}`);
  const typed = await readLine(io);
  if (typed.trim() === name) return;
  throw new UsageError(`That isn't the name of the key. ${NOTHING_DELETED}`);
}

/** Opening a signer checks the URI, and doesn't do any I/O. The signer's URI doesn't contain a PIN. */
async function checkedName(uri: string): Promise<string> {
  await using signer = await openSigner(uri);
  const name = signer.uri === undefined ? undefined : nameOfKey(signer.uri);
  if (name !== undefined) return name;
  throw new UsageError(`The URI doesn't contain the name of a key: pass --yes to confirm. ${NOTHING_DELETED}`);
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
