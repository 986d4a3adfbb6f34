/** The checks of `hardproof doctor` for a key in a file: file, directory, format and passphrase. */
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { checkPermissions, pathWithMode } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { checkSecretSource } from "../../src/keystore/secret-check.js";
import { describePem, isEncrypted } from "../../src/keystore/software-key.js";
import { toSignerError } from "./errors.js";
import { formatFileUri, type KeyFile } from "./uri.js";

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
/** In a directory with this bit, such as `/tmp`, users can only replace their own files. */
const STICKY = 0o1000;

/** @throws {SignerError} With code `key-not-found` or `access-denied` if the file can't be read. */
export async function* diagnoseFile(file: KeyFile): AsyncGenerator<Finding> {
  const { path, passphrase } = file;
  const [pem, { mode }, directory] = await Promise.all([readFile(path, "utf8"), stat(path), stat(dirname(path))]).catch(
    (cause) => {
      throw toSignerError(cause, formatFileUri(file));
    },
  );
  yield checkPermissions({ check: "file", secret: "key", path, mode });
  yield directoryFinding(dirname(path), directory.mode);
  yield formatFinding(pem);
  if (isEncrypted(pem)) yield passphraseFinding(await checkSecretSource(PASSPHRASE, passphrase));
  else if (passphrase !== undefined) yield { check: PASSPHRASE.check, ok: null, found: "not needed" };
}

const PASSPHRASE = { check: "passphrase", secret: "passphrase" };

function directoryFinding(path: string, mode: number): Finding {
  const check = "directory";
  const found = pathWithMode(path, mode);
  if ((mode & STICKY) !== 0 || (mode & (GROUP_WRITES | OTHERS_WRITE)) === 0) return { check, ok: true, found };
  const isShared = (mode & OTHERS_WRITE) !== 0;
  const remedy = isShared
    ? "Run chmod go-w on it: other users can replace the key."
    : "This is fine if the group belongs to the service. Otherwise run chmod g-w on it: its group can replace the key.";
  return { check, ok: isShared ? false : null, found, remedy };
}

function formatFinding(pem: string): Finding {
  const check = "format";
  const found = describePem(pem);
  if (/PRIVATE KEY$/.test(found)) return { check, ok: true, found };
  const remedy = "The file must have the PEM of a private key: PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1.";
  return { check, ok: false, found, remedy };
}

function passphraseFinding(finding: Finding): Finding {
  if (finding.found !== "none") return finding;
  return { ...finding, ok: false, remedy: "The key is encrypted. Add passphrase-source to the URI." };
}
