/** What stands between a URI and a key in a file: the file, and who else may read it. */
import { stat } from "node:fs/promises";
import type { Finding } from "../../src/provider.js";
import { toSignerError } from "./signer.js";
import { formatFileUri, type KeyFile } from "./uri.js";

const OTHERS_READ = 0o077;

/** @throws {SignerError} code `key-not-found` or `access-denied` */
export async function* diagnoseFile(file: KeyFile): AsyncGenerator<Finding> {
  const { mode } = await stat(file.path).catch((cause) => {
    throw toSignerError(cause, formatFileUri(file));
  });
  const found = `${file.path} (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`;
  if ((mode & OTHERS_READ) === 0) yield { check: "file", ok: true, found };
  else yield { check: "file", ok: false, found, remedy: "chmod 600: others can read the key" };
}
