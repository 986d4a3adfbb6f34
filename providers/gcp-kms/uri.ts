/** URIs of Cloud KMS keys: `gcpkms://projects/…/cryptoKeys/…[/cryptoKeyVersions/…][?algorithm=…&endpoint=…&universe-domain=…]`. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { formatAttributes, percentDecode, readAttributes, splitUri } from "../../src/keystore/uri.js";
import { parseEndpoint } from "./endpoint.js";
import { checkResourceName, type ResourceKind } from "./resource-name.js";
import { checkUniverseDomain } from "./universe.js";

/** The scheme of the URIs. */
export const SCHEME = "gcpkms";

/** The attributes of a `gcpkms:` URI. */
export interface KmsUriAttributes {
  /** The JWS algorithm that the key version must have. */
  readonly algorithm?: AlgorithmName | undefined;
  /** The endpoint, as {@link parseEndpoint} accepts it. */
  readonly endpoint?: string | undefined;
  /** The domain of a sovereign cloud, as {@link checkUniverseDomain} accepts it. */
  readonly universeDomain?: string | undefined;
}

/** The parts of a `gcpkms:` URI. An attribute that it doesn't have isn't a member. */
export interface KmsUri extends KmsUriAttributes {
  /** The resource name. */
  readonly name: string;
  /** What the name stands for. */
  readonly kind: ResourceKind;
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
  const attributes = readAttributes(query, "&", ["algorithm", "endpoint", "universe-domain"], fail);
  const algorithm = attributes.algorithm();
  const endpoint = attributes.text("endpoint");
  const universeDomain = attributes.text("universe-domain");
  if (universeDomain !== undefined) checkUniverseDomain(universeDomain);
  if (endpoint !== undefined) parseEndpoint(endpoint, universeDomain);
  return {
    name,
    kind,
    ...(algorithm && { algorithm }),
    ...(endpoint !== undefined && { endpoint }),
    ...(universeDomain !== undefined && { universeDomain }),
  };
}

/** Returns the URI that {@link parseGcpKmsUri} parses. It never contains credentials. */
export function formatGcpKmsUri(name: string, { algorithm, endpoint, universeDomain }: KmsUriAttributes = {}): string {
  const query = formatAttributes({ algorithm, endpoint, "universe-domain": universeDomain }, "&", ":/[]");
  return `${SCHEME}://${name}${query && `?${query}`}`;
}
