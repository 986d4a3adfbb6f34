/** URIs of keys in files (RFC 8089): `file:///run/keys/dpop.pem?passphrase-source=env:NAME&algorithm=PS256`. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { SecretReference, SecretSource } from "../../src/keystore/secret-source.js";
import {
  decodeText,
  formatAttributes,
  formatSecretSource,
  percentDecode,
  percentEncode,
  readAttributes,
  splitUri,
} from "../../src/keystore/uri.js";

/** A key in a file. */
export interface KeyFile {
  /** An absolute path. */
  readonly path: string;
  /** The passphrase, or where to read it. */
  readonly passphrase?: SecretSource | undefined;
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
}

/** A key in a file, as a URI names it. */
interface KeyFileUri extends KeyFile {
  readonly passphrase?: SecretReference | undefined;
}

/**
 * Parses a URI.
 *
 * @throws {SignerError} With code `misconfigured`, pointing at the character or naming the attribute that is wrong.
 */
export function parseFileUri(uri: string): KeyFileUri {
  const { path, query, fail } = splitUri(uri, "file");
  // `file:/path` or `file:///path`. A host is not allowed.
  const slashes = /^(\/\/)?(?=\/[^/])/.exec(path.text)?.[0];
  if (slashes === undefined) throw fail("Expected an absolute path, as in file:///run/keys/dpop.pem", path.at);
  const at = path.at + slashes.length;
  const attributes = readAttributes(query, "&", ["passphrase-source", "algorithm"], fail);
  const algorithm = attributes.algorithm();
  return {
    path: decodeText(percentDecode({ text: path.text.slice(slashes.length), at }, fail), "The path", fail),
    passphrase: attributes.secretSource("passphrase-source"),
    // An attribute takes precedence over the option only if the URI has it.
    ...(algorithm && { algorithm }),
  };
}

/** Returns the URI. It contains the source of a passphrase, but never the passphrase itself. */
export function formatFileUri({ path, passphrase, algorithm }: KeyFile): string {
  const source = typeof passphrase === "object" ? formatSecretSource(passphrase) : undefined;
  const query = formatAttributes({ "passphrase-source": source, algorithm }, "&", "/:");
  return `file://${percentEncode(path, "/")}${query && "?"}${query}`;
}
