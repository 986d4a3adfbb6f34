/** Validates the URLs that secrets are sent to: `https:`, or `http:` on loopback (RFC 6749 §3.1, RFC 8252 §7.3). */
import { isLoopback } from "../keystore/uri.js";
import { misconfigured } from "./assert.js";

/** Which URLs are accepted. */
export interface UrlTrust {
  /** Accepts `http:` for any host. Anyone on the network can then read and change what is sent. */
  allowInsecure?: boolean | undefined;
}

/**
 * Parses the URL of a server or endpoint. An object is converted to a string once, so that the URL that is checked is
 * the one that is used.
 *
 * @param name - The name of the URL in the error.
 * @throws {OAuthError} With code `misconfigured` if secrets must not be sent to this URL.
 */
export function parseServerUrl(value: string | URL, name: string, { allowInsecure }: UrlTrust): URL {
  const url = parseUrl(value);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") throw misconfigured(`${name} must be an https: URL.`);
  if (url.username || url.password || url.hash)
    throw misconfigured(`${name} must be a plain URL, without a user name, password or fragment (host ${url.host}).`);
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname))
    throw misconfigured(`${name} ${url.origin} is not https: secrets could be read in transit. See allowInsecure.`);
  return url;
}

/**
 * Parses a URL that paths are appended to.
 *
 * @returns The URL without a query or trailing slash.
 * @throws {OAuthError} As {@link parseServerUrl} does, and if the URL has a query.
 */
export function parseBaseUrl(value: string | URL, name: string, trust: UrlTrust): string {
  const url = parseServerUrl(value, name, trust);
  if (url.search) throw misconfigured(`${name} must be a plain URL, without a query (host ${url.host}).`);
  return url.origin + withoutTrailingSlashes(url.pathname);
}

/** Removes the slashes at the end in linear time, which `/\/+$/` would not. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** Returns `undefined` for a value that isn't a URL, including one that can't be converted to a string. */
function parseUrl(value: unknown): URL | undefined {
  try {
    return new URL(String(value));
  } catch {
    return undefined;
  }
}
