/** Deletes the file of a key. */
import { lstat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { DeletedKey } from "../../src/keystore/provider.js";
import { signerError } from "../../src/keystore/signer-error.js";
import { describePem } from "../../src/keystore/software-key.js";
import { flushDirectory } from "./create-file.js";
import { toDeleteError, toSignerError } from "./errors.js";
import { readKeyFile } from "./read-file.js";
import { formatFileUri, type KeyFile } from "./uri.js";

/** The blocks that a file with one key can have (RFC 7468 §10 and §11; RFC 5915 §4). */
const PRIVATE_KEY = /PRIVATE KEY$/;
const PARAMETERS = "EC PARAMETERS";

/**
 * Deletes a file with one private key and nothing else. The file is deleted, not overwritten: the disk may still have its content.
 *
 * @throws {SignerError} With code `misconfigured` if the path is a symbolic link, or the file has other names; `wrong-key` if it
 *   has anything but one private key.
 */
export async function deleteFile(file: KeyFile): Promise<DeletedKey> {
  const { path } = file;
  const uri = formatFileUri(file);
  const before = await identify(path, uri);
  checkContent((await readKeyFile(path, uri)).pem, uri);
  const after = await identify(path, uri);
  if (before !== after) throw signerError(uri, "unavailable", "Another program has just replaced the file. Try again.");
  await unlink(path).catch((cause) => {
    throw toDeleteError(cause, path, uri);
  });
  await flushDirectory(dirname(path));
  return {
    uri,
    destroyedAt: null,
    note: "The file was deleted, but not overwritten. Backups, and the disk, may still have it.",
  };
}

/** Returns what identifies the file, unless its path isn't the only name of a regular file. */
async function identify(path: string, uri: string): Promise<string> {
  const found = await lstat(path, { bigint: true }).catch((cause) => {
    throw toSignerError(cause, uri);
  });
  const refuse = (problem: string) => signerError(uri, "misconfigured", `${problem} Nothing was deleted.`);
  if (found.isSymbolicLink()) throw refuse("This is a symbolic link. Use the path of the file that it leads to.");
  if (!found.isFile()) throw refuse("This isn't a regular file.");
  if (found.nlink > 1n) throw refuse("The file has another name (a hard link), by which the key would stay.");
  return `${found.dev}:${found.ino}`;
}

function checkContent(pem: string, uri: string): void {
  const labels = [...pem.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)].map(([, label = ""]) => label);
  const keys = labels.filter((label) => PRIVATE_KEY.test(label));
  const others = labels.filter((label) => !PRIVATE_KEY.test(label) && label !== PARAMETERS);
  if (keys.length === 1 && others.length === 0) return;
  const content = keys.length === 0 ? describePem(pem) : labels.join(", ");
  throw signerError(
    uri,
    "wrong-key",
    `The file must have one private key and nothing else, but it has: ${content}. It wasn't deleted.`,
  );
}
