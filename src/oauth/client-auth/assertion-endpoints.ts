/** The endpoints that a client assertion may be sent to: exactly those of one server, and no other URL. */
import { assertObject, assertString, misconfigured } from "../assert.js";
import { type MetadataTrust, parseMetadataUrl } from "../metadata-url.js";
import { assertionAlgorithms, assertMetadata, type ServerMetadata } from "../server-metadata.js";
import { parseServerUrl } from "../server-url.js";

/** What an assertion for an endpoint is signed for. */
export interface AssertionEndpoint {
  readonly audience: string;
  /** The algorithms that the server lists for client assertions, if it does. */
  readonly algorithms: readonly string[] | undefined;
  /** The algorithms that the server lists for proofs, if it does. */
  readonly proofAlgorithms: readonly string[] | undefined;
}

/** Finds an endpoint by the URL of a request. */
export type AssertionEndpoints = ReadonlyMap<string, AssertionEndpoint>;

interface EndpointTerms extends MetadataTrust {
  /** The assertion's `aud`. Default: the issuer of the metadata. */
  audience?: string | undefined;
}

/** Endpoints at which a client authenticates (RFC 8414 §2, RFC 9126 §5, RFC 8628 §4, CIBA §4), without registration. */
const NAMES = [
  "token",
  "pushed_authorization_request",
  "revocation",
  "introspection",
  "device_authorization",
  "backchannel_authentication",
];

/**
 * Lists the endpoints of a server.
 *
 * @param endpoints - URLs, or the server's metadata with its `mtls_endpoint_aliases` (RFC 8705 §5).
 * @throws {OAuthError} With code `misconfigured` if an endpoint isn't a URL that secrets may be sent to, or if there
 *   isn't any.
 */
export function assertionEndpoints(
  endpoints: readonly (string | URL)[] | ServerMetadata,
  terms: EndpointTerms,
): AssertionEndpoints {
  if (typeof endpoints !== "object" || endpoints === null || endpoints instanceof URL)
    throw misconfigured("endpoints must be the server's metadata, or a list of URLs.");
  const list = isList(endpoints) ? listedEndpoints(endpoints, terms) : metadataEndpoints(endpoints, terms);
  if (list.length === 0) throw misconfigured("endpoints contains no endpoint at which a client authenticates.");
  return new Map(list.reverse()); // so that the first of two endpoints with one URL counts, as the token endpoint
}

/** Returns the key of a URL in {@link AssertionEndpoints}: the URL without a fragment. */
export function endpointKey({ origin, pathname, search }: URL): string {
  return origin + pathname + search;
}

function listedEndpoints(urls: readonly (string | URL)[], terms: EndpointTerms): [string, AssertionEndpoint][] {
  if (terms.audience === undefined) throw misconfigured("audience is needed if endpoints is a list of URLs.");
  const audience = assertString(terms.audience, "audience");
  const endpoint = { audience, algorithms: undefined, proofAlgorithms: undefined };
  return urls.map((url) => [endpointKey(parseServerUrl(url, "An element of endpoints", terms)), endpoint]);
}

function metadataEndpoints(metadata: ServerMetadata, terms: EndpointTerms): [string, AssertionEndpoint][] {
  assertMetadata(assertObject(metadata, "endpoints"));
  const audience = terms.audience ?? metadata.issuer;
  const proofAlgorithms = metadata.dpop_signing_alg_values_supported;
  return NAMES.flatMap((name) => {
    const member = `${name}_endpoint`;
    const endpoint = { audience, algorithms: assertionAlgorithms(metadata, name), proofAlgorithms };
    const urls = [metadata[member], metadata.mtls_endpoint_aliases?.[member]].filter((url) => typeof url === "string");
    const keys = urls.map((url) => endpointKey(parseMetadataUrl(url, member, metadata.issuer, terms)));
    return keys.map((key): [string, AssertionEndpoint] => [key, endpoint]);
  });
}

function isList(endpoints: readonly (string | URL)[] | ServerMetadata): endpoints is readonly (string | URL)[] {
  return Array.isArray(endpoints);
}
