/** Maps the errors of the file system. */
import type { SignerError } from "../../src/errors.js";
import { ErrorTable } from "../../src/keystore/error-table.js";
import { signerError } from "../../src/keystore/signer-error.js";

const ERRORS = new ErrorTable(
  {
    ENOENT: ["key-not-found", "It doesn't exist. Correct the path, or create the key."],
    EISDIR: ["key-not-found", "It is a directory."],
    ENOTDIR: ["key-not-found", "Part of its path isn't a directory."],
    EACCES: ["access-denied", "The current user lacks permission for it or its directory."],
    EPERM: ["access-denied", "The current user lacks permission for it or its directory."],
    EROFS: ["access-denied", "The file system is read-only."],
    EEXIST: ["misconfigured", "It already exists and is not overwritten."],
  },
  ["unavailable", "See the error's cause."],
);

/**
 * Maps an error of `node:fs`.
 *
 * @param uri - The URI of the key.
 */
export function toSignerError(error: NodeJS.ErrnoException, uri: string): SignerError {
  const { code: name = "unknown error" } = error;
  const [code, remedy] = ERRORS.get(name);
  return signerError(uri, code, `The file can't be used (${name}). ${remedy}`, error);
}
