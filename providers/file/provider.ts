/** The provider for `file:` URIs. Opens, creates, deletes and diagnoses keys. */
import type { KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { Provider } from "../../src/keystore/provider.js";
import { generateSoftwareKey, privateKeyToPem } from "../../src/keystore/software-key.js";
import { createFile } from "./create-file.js";
import { deleteFile } from "./delete-file.js";
import { diagnoseFile } from "./diagnose.js";
import { FileSigner, readPassphrase } from "./signer.js";
import { parseFileUri } from "./uri.js";

/** Keys in PEM files: `file:///run/keys/dpop.pem?passphrase-source=env:NAME`. */
export const provider: Provider<KeySignerOptions> = {
  scheme: "file",
  open: (uri, options = {}) => new FileSigner({ ...options, ...parseFileUri(uri) }),
  create,
  factsOfNewKey: async (uri) => ({
    protection: "software",
    exportable: true,
    evidence: { path: parseFileUri(uri).path },
  }),
  delete: async (uri) => deleteFile(parseFileUri(uri)),
  diagnose: (uri) => diagnoseFile(parseFileUri(uri)),
};

/**
 * Creates a PKCS#8 file that only its owner can read. It is encrypted if the URI has a `passphrase-source`.
 */
async function create(uri: string, options: KeySignerOptions = {}): Promise<FileSigner> {
  const { path, passphrase, algorithm = options.algorithm } = parseFileUri(uri);
  const signer = new FileSigner({ ...options, path, passphrase, algorithm });
  const pem = privateKeyToPem(generateSoftwareKey(algorithm), await readPassphrase(passphrase, signer.uri));
  await createFile(path, pem, signer.uri);
  return signer;
}
