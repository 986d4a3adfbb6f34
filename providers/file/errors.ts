/** Maps the errors of the file system. */
import { dirname } from "node:path";
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import { signerError } from "../../src/keystore/signer-error.js";

const SHARED: Readonly<Record<string, ErrorRow>> = {
  ENAMETOOLONG: ["misconfigured", "Choose a shorter path."],
  ELOOP: ["misconfigured", "Its path has a loop of symbolic links."],
  EMFILE: ["unavailable", "This process has too many open files. Close some, or raise the limit (ulimit -n)."],
  ENFILE: ["unavailable", "This machine has too many open files."],
  EIO: ["unavailable", "Check the disk."],
  ESTALE: ["unavailable", "Check the network file system, and mount it again."],
  ETIMEDOUT: ["unavailable", "Check the network file system."],
};
const READING = new ErrorTable(
  {
    ...SHARED,
    ENOENT: ["key-not-found", "It doesn't exist. Correct the path, or create the key."],
    EISDIR: ["key-not-found", "It is a directory."],
    ENOTDIR: ["key-not-found", "Part of its path isn't a directory."],
    EACCES: ["access-denied", "The current user lacks permission for it or its directory."],
    EPERM: ["access-denied", "The current user lacks permission for it or its directory."],
  },
  ["unavailable", "Check the file and its file system."],
);
/** The name of the directory follows, unless a sentence ends with a full stop. */
const CREATING = new ErrorTable(
  {
    ...SHARED,
    ENOENT: ["key-not-found", "The directory doesn't exist. Create it, or correct the path"],
    ENOTDIR: ["key-not-found", "Part of the path isn't a directory. Correct it"],
    EACCES: ["access-denied", "The current user can't write to the directory. Correct its owner and mode"],
    EPERM: ["access-denied", "The current user can't write to the directory. Correct its owner and mode"],
    EROFS: ["access-denied", "The file system is read-only. Choose another directory"],
    ENOSPC: ["unavailable", "The disk is full. Nothing was left behind. Free some space in the file system of"],
    EDQUOT: [
      "unavailable",
      "The disk quota is used up. Nothing was left behind. Delete some files, or raise the quota for",
    ],
  },
  ["unavailable", "Check the directory and its file system"],
);

/**
 * Maps an error of `node:fs` while a file is read.
 *
 * @param uri - The URI of the key.
 */
export function toSignerError(error: unknown, uri: string): SignerError {
  const [code, remedy] = READING.get(codeOf(error));
  return signerError(uri, code, `The file can't be read (${reasonOf(error)}). ${remedy}`, error);
}

/** Maps an error while the file of a new key is created. The message names the directory. */
export function toCreateError(error: unknown, path: string, uri: string): SignerError {
  if (error instanceof SignerError) return error;
  const [code, remedy] = CREATING.get(codeOf(error));
  const sentence = remedy.endsWith(".") ? remedy : `${remedy}: ${dirname(path)}.`;
  return signerError(uri, code, `The file can't be created (${reasonOf(error)}). ${sentence}`, error);
}

const DELETING: readonly string[] = ["EACCES", "EPERM", "EROFS", "EBUSY"];

/** Maps an error while the file of a key is deleted. The message names the directory. */
export function toDeleteError(error: unknown, path: string, uri: string): SignerError {
  const code = DELETING.includes(codeOf(error)) ? "access-denied" : "unavailable";
  const remedy = `Check the owner and mode of the directory, and its file system: ${dirname(path)}.`;
  return signerError(uri, code, `The file can't be deleted (${reasonOf(error)}). ${remedy}`, error);
}

/** Returns the code of a system error, such as `ENOENT`, or an empty string. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Returns the system's own words, such as `ENOENT: no such file or directory`, without the path. */
function reasonOf(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split(/[\r\n]/, 1);
  return line.replace(/, [a-z]+(?: '.*)?$/, "");
}
