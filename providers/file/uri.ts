/** The URI of a key in a file: `file:///run/keys/dpop.pem?passphrase-source=env:NAME` (RFC 8089). */

import type { SecretSource } from "../../src/keystore/secret-source.js";
import { percentDecode, percentEncode, readAttributes, splitUri, toText } from "../../src/keystore/uri.js";

/** A key in a file, and where its passphrase is. */
export interface KeyFile {
  /** Absolute. */
  readonly path: string;
  readonly passphrase?: SecretSource | undefined;
}

/** @throws {SignerError} code `misconfigured`, with what is wrong and where */
export function parseFileUri(uri: string): KeyFile {
  const { path, query, fail } = splitUri(uri, "file");
  // `file:/path` and `file:///path`: the name of another machine may not stand there.
  const slashes = /^(\/\/)?(?=\/[^/])/.exec(path.text)?.[0];
  if (slashes === undefined) throw fail("Here must stand an absolute path, as in file:///run/keys/dpop.pem", path.at);
  const at = path.at + slashes.length;
  const passphrase = readAttributes(query, "&", ["passphrase-source"], fail).secretSource("passphrase-source");
  return {
    path: toText(percentDecode({ text: path.text.slice(slashes.length), at }, fail), "The path", fail),
    passphrase,
  };
}

export function formatFileUri({ path, passphrase }: KeyFile): string {
  const uri = `file://${percentEncode(path, "/")}`;
  if (typeof passphrase !== "object") return uri;
  const source = "env" in passphrase ? `env:${passphrase.env}` : passphrase.file;
  return `${uri}?passphrase-source=${percentEncode(source, "/:")}`;
}
