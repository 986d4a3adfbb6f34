/** `file:` — keys in PEM files, and new ones, which only their owner can read. */
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { Provider } from "../../src/keystore/provider.js";
import { privateKeyToPem } from "../../src/keystore/software-key.js";
import { diagnoseFile } from "./diagnose.js";
import { FileSigner, readPassphrase, toSignerError } from "./signer.js";
import { parseFileUri } from "./uri.js";

const OWNER_ALONE = 0o600;

export const provider: Provider<KeySignerOptions> = {
  scheme: "file",
  open: (uri, options = {}) => new FileSigner({ ...options, ...parseFileUri(uri) }),
  create,
  diagnose: (uri) => diagnoseFile(parseFileUri(uri)),
};

/** PKCS#8, encrypted where the URI says where a passphrase is. */
async function create(uri: string, options: KeySignerOptions = {}): Promise<FileSigner> {
  const { path, passphrase } = parseFileUri(uri);
  const signer = new FileSigner({ ...options, path, passphrase });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const pem = privateKeyToPem(privateKey, await readPassphrase(passphrase, signer.uri));
  await writeFile(path, pem, { flag: "wx", mode: OWNER_ALONE }).catch((cause) => {
    throw toSignerError(cause, signer.uri);
  });
  return signer;
}
