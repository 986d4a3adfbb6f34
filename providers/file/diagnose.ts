/** What stands between a URI and a key in a file: the file, and who else may read it. */
import { stat } from "node:fs/promises";
import type { Finding } from "../../src/provider.js";
import { toSignerError } from "./signer.js";
import { formatFileUri, type KeyFile } from "./uri.js";

const GROUP = 0o070;
const OTHERS = 0o007;
const SHARED = "Fine where the group is the service's own (a Kubernetes secret under fsGroup). Else chmod 600.";

/** @throws {SignerError} code `key-not-found` or `access-denied` */
export async function* diagnoseFile(file: KeyFile): AsyncGenerator<Finding> {
  const { mode } = await stat(file.path).catch((cause) => {
    throw toSignerError(cause, formatFileUri(file));
  });
  const found = `${file.path} (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`;
  yield whoReads(found, mode);
}

function whoReads(found: string, mode: number): Finding {
  const check = "file";
  if ((mode & OTHERS) !== 0) return { check, ok: false, found, remedy: "chmod 600: others can read the key" };
  if ((mode & GROUP) === 0) return { check, ok: true, found };
  return { check, ok: null, found: `${found}: its group can read the key`, remedy: SHARED };
}
