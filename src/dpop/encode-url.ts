/**
 * URLs in the form that RFC 3986 allows. Node's `URL` leaves some characters as they are, while proxies and the servers
 * behind them encode or reject them: the `htu` of a proof would not match.
 */

/**
 * What `URL` may leave in a path or query: characters that are neither reserved nor unreserved (RFC 3986 §2.2, §2.3), and
 * `%` that isn't followed by two digits (§2.1).
 */
const NOT_ALLOWED = /[\\^`{|}]|%(?![\dA-Fa-f]{2})/g;

/**
 * Percent-encodes the characters of a path or query that RFC 3986 doesn't allow. Leaves `[` and `]` as they are: proxies
 * pass them on, and reject `%5B`.
 */
export function encodeNotAllowed(text: string): string {
  return text.replace(NOT_ALLOWED, encodeURIComponent);
}

/** Returns the URL in the form in which it is sent and signed: the same object if it has that form. */
export function encodeUrl(url: URL): URL {
  const pathname = encodeNotAllowed(url.pathname);
  const search = encodeNotAllowed(url.search);
  if (pathname === url.pathname && search === url.search) return url;
  const encoded = new URL(url);
  encoded.pathname = pathname;
  if (search !== "") encoded.search = search; // otherwise, a URL with an empty query would lose its question mark
  return encoded;
}
