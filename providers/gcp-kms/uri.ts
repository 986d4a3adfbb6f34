/** URIs of Cloud KMS keys: `gcpkms://projects/…/cryptoKeys/…[/cryptoKeyVersions/…][?endpoint=…]`. */
import { percentDecode, percentEncode, readAttributes, splitUri } from "../../src/keystore/uri.js";
import { parseEndpoint } from "./endpoint.js";
import { checkName, type ResourceKind } from "./names.js";

export const SCHEME = "gcpkms";

export interface KmsUri {
  /** The resource name. */
  readonly name: string;
  readonly kind: ResourceKind;
  readonly endpoint?: string;
}

/**
 * Reads a URI of a key ring, key or key version.
 *
 * @throws {SignerError} code `misconfigured`, saying what was found and what is needed
 */
export function parseGcpKmsUri(uri: string): KmsUri {
  const { path, query, fail } = splitUri(uri, SCHEME);
  if (!path.text.startsWith("//")) throw fail("After the scheme must stand //projects/…", path.at);
  const name = percentDecode({ text: path.text.slice(2), at: path.at + 2 }, fail).toString();
  const kind = checkName(name, ["key ring", "key", "key version"]);
  const endpoint = readAttributes(query, "&", ["endpoint"], fail).text("endpoint");
  if (endpoint === undefined) return { name, kind };
  parseEndpoint(endpoint);
  return { name, kind, endpoint };
}

/** @returns the URI that {@link parseGcpKmsUri} reads; without any secret, since it has no place for one */
export function formatGcpKmsUri(name: string, endpoint?: string): string {
  const query = endpoint === undefined ? "" : `?endpoint=${percentEncode(endpoint, ":/[]")}`;
  return `${SCHEME}://${name}${query}`;
}
