/** URIs of Cloud KMS keys: `gcpkms://projects/…/cryptoKeys/…[/cryptoKeyVersions/…][?endpoint=…]`. */
import { formatAttributes, percentDecode, readAttributes, splitUri } from "../../src/keystore/uri.js";
import { parseEndpoint } from "./endpoint.js";
import { checkResourceName, type ResourceKind } from "./resource-name.js";

/** The scheme of the URIs. */
export const SCHEME = "gcpkms";

/** The parts of a `gcpkms:` URI. */
export interface KmsUri {
  /** The resource name. */
  readonly name: string;
  /** What the name stands for. */
  readonly kind: ResourceKind;
  /** The endpoint, as {@link parseEndpoint} accepts it. */
  readonly endpoint?: string;
}

/**
 * Parses the URI of a key ring, key or key version.
 *
 * @throws {SignerError} With code `misconfigured`. The message names what is wrong.
 */
export function parseGcpKmsUri(uri: string): KmsUri {
  const { path, query, fail } = splitUri(uri, SCHEME);
  if (!path.text.startsWith("//")) throw fail("Expected //projects/… after gcpkms:", path.at);
  const name = percentDecode({ text: path.text.slice(2), at: path.at + 2 }, fail).toString();
  const kind = checkResourceName(name, ["key ring", "key", "key version"]);
  const endpoint = readAttributes(query, "&", ["endpoint"], fail).text("endpoint");
  if (endpoint === undefined) return { name, kind };
  parseEndpoint(endpoint);
  return { name, kind, endpoint };
}

/** Returns the URI that {@link parseGcpKmsUri} parses. It never contains credentials. */
export function formatGcpKmsUri(name: string, endpoint?: string): string {
  const query = formatAttributes({ endpoint }, "&", ":/[]");
  return `${SCHEME}://${name}${query && `?${query}`}`;
}
