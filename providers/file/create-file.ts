/** Creates the file of a new key so that either all of it is there, or nothing. */
import { randomUUID } from "node:crypto";
import { link, lstat, open, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SignerError } from "../../src/errors.js";
import { signerError } from "../../src/keystore/signer-error.js";
import { codeOf, toCreateError } from "./errors.js";

const OWNER_ONLY = 0o600;

/** The file system doesn't have hard links. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]);

/**
 * Creates a file that only its owner can read. The content is first written to a temporary file in the same directory and
 * flushed to the disk, and then gets its name, so that a full disk or a crash doesn't leave a part of it.
 *
 * @param uri - The URI of the key, for errors.
 * @throws {SignerError} With code `misconfigured` if there is a file, directory or link with this name, which is never
 *   overwritten; `key-not-found` if its directory doesn't exist; `access-denied` or `unavailable` if the file can't be
 *   written.
 */
export async function createFile(path: string, content: string, uri: string): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.hardproof-${randomUUID()}`);
  try {
    await rejectExisting(path, uri);
    await write(temporary, content);
    await nameFile(temporary, path, content);
    await flushDirectory(directory);
  } catch (error) {
    throw await withReason(error, path, uri);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

/** Writes a new file, and deletes it again if that fails. */
async function write(path: string, content: string): Promise<void> {
  const file = await open(path, "wx", OWNER_ONLY);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** Unlike a rename, a link never replaces a file that another process has created in the meantime. */
async function nameFile(temporary: string, path: string, content: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) throw error;
    await write(path, content);
  }
}

/** Makes the new name durable. Not every system can flush a directory; the file itself is flushed. */
export async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

async function withReason(error: unknown, path: string, uri: string): Promise<unknown> {
  if (codeOf(error) === "EEXIST") return (await existingError(path, uri)) ?? toCreateError(error, path, uri);
  return toCreateError(error, path, uri);
}

/** Reports an existing file before a problem of its directory, such as that it is read-only. */
async function rejectExisting(path: string, uri: string): Promise<void> {
  const error = await existingError(path, uri);
  if (error) throw error;
}

async function existingError(path: string, uri: string): Promise<SignerError | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return undefined;
  const kind = found.isDirectory() ? "directory" : found.isSymbolicLink() ? "symbolic link" : "file";
  const remedy =
    kind === "directory" ? "Add the name of the new file." : "Choose another path, or open the existing key.";
  return signerError(
    uri,
    "misconfigured",
    `A ${kind} with this name already exists, and is not overwritten. ${remedy}`,
  );
}
