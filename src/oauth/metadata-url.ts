/** URLs that a server's metadata names: the client sends credentials to them. */
import { misconfigured } from "./assert.js";
import { hostReach, isCloser } from "./host-reach.js";
import { parseServerUrl, type UrlTrust } from "./server-url.js";

/** Which URLs of a server's metadata are accepted. */
export interface MetadataTrust extends UrlTrust {
  /**
   * Accepts metadata that names hosts closer to this machine than the issuer: the metadata of a public server may then
   * send credentials to `localhost` or to a private address. A name that resolves to such an address isn't detected.
   * Default: false for what a server sent, true for the option `metadata`, which is the caller's.
   */
  allowPrivateEndpoints?: boolean | undefined;
}

/**
 * Parses a URL that a document of the issuer names.
 *
 * @param value - The URL in the document.
 * @param name - The member of the document, for the error.
 * @param issuer - The server that the document describes.
 * @param trust - `allowPrivateEndpoints` must be false for a document that a server sent.
 * @throws {OAuthError} With code `misconfigured` if secrets must not be sent to this URL, as for
 *   {@link parseServerUrl}, or if its host is closer to this machine than the issuer's.
 */
export function parseMetadataUrl(value: string, name: string, issuer: string, trust: MetadataTrust): URL {
  const url = parseServerUrl(value, name, trust);
  const from = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const reach = hostReach(url.hostname);
  if (trust.allowPrivateEndpoints === false && isCloser(reach, from ? hostReach(from.hostname) : "public"))
    throw misconfigured(
      `The metadata of ${issuer} names a ${reach} host as ${name}: ${url.origin}. Nothing is sent there. See allowPrivateEndpoints.`,
    );
  return url;
}
