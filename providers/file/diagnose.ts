/** The checks of `hardproof doctor` for a key in a file: the file, and who else can read it. */
import { stat } from "node:fs/promises";
import { checkPermissions } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { toSignerError } from "./errors.js";
import { formatFileUri, type KeyFile } from "./uri.js";

/** @throws {SignerError} With code `key-not-found` or `access-denied` if the file can't be examined. */
export async function* diagnoseFile(file: KeyFile): AsyncGenerator<Finding> {
  const { mode } = await stat(file.path).catch((cause) => {
    throw toSignerError(cause, formatFileUri(file));
  });
  yield checkPermissions({ check: "file", secret: "key", path: file.path, mode });
}
