/** The provider for `file:` URIs. Opens, creates, deletes and diagnoses keys. */
import type { Provider } from "../../src/keystore/provider.js";
import { generateSoftwareKey, privateKeyToPem } from "../../src/keystore/software-key.js";
import { createFile } from "./create-file.js";
import { deleteFile } from "./delete-file.js";
import { diagnoseFile } from "./diagnose.js";
import { FileSigner, type FileSignerOptions, readPassphrase } from "./signer.js";
import { parseFileUri } from "./uri.js";

/** Options that complete a URI, whose attributes take precedence, except for the passphrase. */
export type FileProviderOptions = Omit<FileSignerOptions, "path">;

/** Keys in PEM files: `file:///run/keys/dpop.pem?passphrase-source=env:NAME`. */
export const provider: Provider<FileProviderOptions> = {
  scheme: "file",
  open: (uri, options = {}) => new FileSigner(mergeUri(uri, options)),
  create,
  factsOfNewKey: async (uri) => ({
    protection: "software",
    exportable: true,
    evidence: { path: parseFileUri(uri).path },
  }),
  delete: async (uri) => deleteFile(parseFileUri(uri)),
  diagnose: (uri, options = {}) => diagnoseFile(mergeUri(uri, options)),
};

/**
 * Creates a PKCS#8 file that only its owner can read. It is encrypted if the URI has a `passphrase-source`.
 */
async function create(uri: string, options: FileProviderOptions = {}): Promise<FileSigner> {
  const merged = mergeUri(uri, options);
  const { path, passphrase, algorithm } = merged;
  const signer = new FileSigner(merged);
  const pem = privateKeyToPem(generateSoftwareKey(algorithm), await readPassphrase(passphrase, signer.uri));
  await createFile(path, pem, signer.uri);
  return signer;
}

function mergeUri(uri: string, options: FileProviderOptions): FileSignerOptions {
  const { path, passphrase, algorithm = options.algorithm } = parseFileUri(uri);
  return { ...options, path, algorithm, passphrase: options.passphrase ?? passphrase };
}
