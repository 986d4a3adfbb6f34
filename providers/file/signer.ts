/** A signer whose key is in a PEM file: for development, and where no better store is at hand. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { SignerError } from "../../src/errors.js";
import { ErrorTable } from "../../src/keystore/error-table.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { OpenKey } from "../../src/keystore/key-source.js";
import { readSecret, type SecretSource } from "../../src/keystore/secret-source.js";
import { signerError } from "../../src/keystore/signer-error.js";
import { isEncrypted, openSoftwareKey, privateKeyFromPem } from "../../src/keystore/software-key.js";
import { formatFileUri, type KeyFile } from "./uri.js";

/** The first signature alone is verified unless `verify` says otherwise: they come from this process. */
export interface FileSignerOptions extends KeySignerOptions {
  /** PKCS#8, encrypted PKCS#8, or SEC1. */
  path: string;
  /** Where the passphrase of an encrypted file is. */
  passphrase?: SecretSource | undefined;
}

/** ES256 with a key that is read from its file at the first use. Who can read the file has the key. */
export class FileSigner extends KeySigner {
  constructor({ path, passphrase, verify = "first", timeout }: FileSignerOptions) {
    if (!path) throw new SignerError("misconfigured", "path must be the path of a PEM file.");
    const file = { path: resolve(path), passphrase };
    const uri = formatFileUri(file);
    super({ provider: "file", uri, open: () => openFile(file, uri) }, { verify, timeout });
  }
}

async function openFile({ path, passphrase }: KeyFile, uri: string): Promise<OpenKey> {
  const pem = await readFile(path, "utf8").catch((cause) => {
    throw toSignerError(cause, uri);
  });
  const key = privateKeyFromPem(pem, await readPassphrase(passphrase, uri));
  const { mode } = await stat(path);
  return openSoftwareKey(key, { path, mode: (mode & 0o777).toString(8).padStart(4, "0"), encrypted: isEncrypted(pem) });
}

/**
 * Reads the passphrase, if the file has one.
 *
 * @throws {SignerError} With code `pin-required` if it can't be read.
 */
export async function readPassphrase(source: SecretSource | undefined, uri: string): Promise<string | undefined> {
  return source === undefined ? undefined : readSecret(source, { name: "passphrase", uri });
}

const ERRORS = new ErrorTable(
  {
    ENOENT: ["key-not-found", "It doesn't exist. Create it with createKey()."],
    EISDIR: ["key-not-found", "It is a directory."],
    ENOTDIR: ["key-not-found", "Part of its path isn't a directory."],
    EACCES: ["access-denied", "The permissions don't allow it to this user."],
    EPERM: ["access-denied", "The permissions don't allow it to this user."],
    EROFS: ["access-denied", "The file system is read-only."],
    EEXIST: ["misconfigured", "It already exists and is not overwritten."],
  },
  ["unavailable", "See the error's cause."],
);

/** Maps an error of the file system. */
export function toSignerError(error: NodeJS.ErrnoException, uri: string): SignerError {
  const { code: name = "unknown error" } = error;
  const [code, remedy] = ERRORS.get(name);
  return signerError(uri, code, `The file can't be used (${name}). ${remedy}`, error);
}
