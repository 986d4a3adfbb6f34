/** A signer whose key is in a PEM file: for development, and where a better store is not available. */
import { resolve } from "node:path";
import { assertObject } from "../../src/keystore/assert.js";
import { formatMode } from "../../src/keystore/file-permissions.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { OpenKey } from "../../src/keystore/key-source.js";
import { readSecret, type SecretSource, withSecretSource } from "../../src/keystore/secret-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import {
  isEncrypted,
  openSoftwareKey,
  type PemOptions,
  type SoftwareKey,
  softwareKeyFromPem,
} from "../../src/keystore/software-key.js";
import { readKeyFile } from "./read-file.js";
import { formatFileUri, type KeyFile } from "./uri.js";

/** Options of {@link FileSigner}. `verify` defaults to `first`, because signatures come from this process. */
export interface FileSignerOptions extends KeySignerOptions {
  /** The path of a PEM file: PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1. */
  path: string;
  /** The passphrase of an encrypted file, or where to read it. */
  passphrase?: SecretSource | undefined;
}

/**
 * Signs with a key that is read from its file at the first use. Anyone who can read the file has the key.
 *
 * @example
 * ```ts
 * const signer = new FileSigner({ path: "/run/keys/dpop.pem", passphrase: { env: "KEY_PASSPHRASE" } });
 * ```
 */
export class FileSigner extends KeySigner {
  /** @throws {SignerError} With code `misconfigured` if an option is invalid. */
  constructor(options: FileSignerOptions) {
    const {
      path,
      passphrase,
      algorithm,
      verify = "first",
      ...rest
    } = assertObject(options, "The options of FileSigner");
    if (typeof path !== "string" || path === "") throw misconfigured("path must be the path of a PEM file.");
    const file = { path: resolve(path), passphrase, algorithm };
    const uri = formatFileUri(file);
    super({ provider: "file", uri, open: () => openFile(file, uri) }, { ...rest, algorithm, verify });
  }
}

async function openFile({ path, passphrase, algorithm }: KeyFile, uri: string): Promise<OpenKey> {
  const { pem, mode } = await readKeyFile(path, uri);
  const options = { passphrase: await readPassphrase(passphrase, uri), algorithm };
  const key = passphrase === undefined ? softwareKeyFromPem(pem, options) : decrypt(pem, options, passphrase);
  return openSoftwareKey(key, { path, mode: formatMode(mode), encrypted: isEncrypted(pem) });
}

function decrypt(pem: string, options: PemOptions, source: SecretSource): SoftwareKey {
  try {
    return softwareKeyFromPem(pem, options);
  } catch (error) {
    throw withSecretSource(error, "passphrase", source);
  }
}

/**
 * Reads the passphrase, if there is a source.
 *
 * @throws {SignerError} With code `pin-required` if it can't be read.
 */
export async function readPassphrase(source: SecretSource | undefined, uri: string): Promise<string | undefined> {
  return source === undefined ? undefined : readSecret(source, { name: "passphrase", uri });
}
