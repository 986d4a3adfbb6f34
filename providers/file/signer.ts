/** A signer whose key is in a PEM file: for development, and where no better store is at hand. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { SignerError } from "../../src/errors.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { OpenKey } from "../../src/keystore/key-source.js";
import type { SecretSource } from "../../src/keystore/secret-source.js";
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
  const key = privateKeyFromPem(pem, passphrase && (await readPassphrase(passphrase, uri)));
  const { mode } = await stat(path);
  return openSoftwareKey(key, { path, mode: (mode & 0o777).toString(8).padStart(4, "0"), encrypted: isEncrypted(pem) });
}

/**
 * @param uri - of the key that it is for
 * @returns the passphrase, never empty
 * @throws {SignerError} code `pin-required` if it is not there
 */
export async function readPassphrase(source: SecretSource, uri: string): Promise<string> {
  const where = "env" in source ? `the environment variable ${source.env}` : `the file ${source.file}`;
  const passphrase = "env" in source ? process.env[source.env] : await readSecret(source.file);
  if (passphrase) return passphrase;
  throw new SignerError("pin-required", `${uri}: There is no passphrase in ${where}, or it can't be read.`, { uri });
}

async function readSecret(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text?.replace(/\r?\n$/, "");
}

const FAILURES: Readonly<Record<string, readonly [SignerError["code"], string]>> = {
  ENOENT: ["key-not-found", "There is no such file. createKey() makes it."],
  EISDIR: ["key-not-found", "This is a directory."],
  ENOTDIR: ["key-not-found", "Part of the path is no directory."],
  EACCES: ["access-denied", "This user may not use the file."],
  EPERM: ["access-denied", "This user may not use the file."],
  EROFS: ["access-denied", "The file system is read-only."],
  EEXIST: ["misconfigured", "There is such a file already, and it is not overwritten."],
};

/** What the file system says, as an error of ours. */
export function toSignerError(error: NodeJS.ErrnoException, uri: string): SignerError {
  const [code, message] = FAILURES[error.code ?? ""] ?? ["unavailable", `The file can't be used (${error.code}).`];
  return new SignerError(code, `${uri}: ${message}`, { uri, cause: error });
}
