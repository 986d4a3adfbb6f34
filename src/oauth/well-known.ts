/** The URLs of metadata documents (RFC 8414 §3.1, RFC 9728 §3.1, OpenID Connect Discovery §4.1). */
import { withoutTrailingSlashes } from "./server-url.js";

/**
 * Returns where an issuer's metadata may be, in the order in which they are requested. RFC 8414 inserts the well-known
 * part before the issuer's path; OpenID Connect appends it, and some servers insert that one too (RFC 8414 §5).
 *
 * @param issuer - A URL without a query.
 */
export function issuerMetadataUrls(issuer: string): URL[] {
  const { origin, pathname } = new URL(issuer);
  const path = withoutTrailingSlashes(pathname);
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/openid-configuration${path}`,
  ];
  return [...new Set(urls)].map((url) => new URL(url));
}

/**
 * Returns where the metadata of a protected resource is: the well-known part is inserted before the path and the query
 * of its identifier (RFC 9728 §3.1).
 */
export function resourceMetadataUrl({ origin, pathname, search }: URL): URL {
  const path = pathname === "/" ? "" : pathname;
  return new URL(`${origin}/.well-known/oauth-protected-resource${path}${search}`);
}
