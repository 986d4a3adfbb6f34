/** What stands between a URI and a key in a file: the file, and who else may read it. */
import { stat } from "node:fs/promises";
import { whoReads } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { toSignerError } from "./signer.js";
import { formatFileUri, type KeyFile } from "./uri.js";

/** @throws {SignerError} code `key-not-found` or `access-denied` */
export async function* diagnoseFile(file: KeyFile): AsyncGenerator<Finding> {
  const { mode } = await stat(file.path).catch((cause) => {
    throw toSignerError(cause, formatFileUri(file));
  });
  yield whoReads({ check: "file", secret: "key", path: file.path, mode });
}
