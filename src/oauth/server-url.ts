/** Which URLs a secret may be sent to: `https:`, or `http:` on loopback (RFC 6749 §3.1, RFC 8252 §7.3). */
import { isLoopback } from "../keystore/loopback.js";
import { misconfigured } from "./assert.js";

/** How far a URL is trusted. */
export interface UrlTrust {
  /** Takes `http:` for any host. Everything that is sent can then be read and changed on the way. */
  allowInsecure?: boolean | undefined;
}

/**
 * @param name - what the URL is called in the error
 * @throws {OAuthError} code `misconfigured` for a URL that no secret should be sent to
 */
export function checkServerUrl(name: string, value: string | URL, { allowInsecure }: UrlTrust): URL {
  const url = URL.canParse(String(value)) ? new URL(value) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") throw misconfigured(`${name} must be an https: URL.`);
  if (url.username || url.password || url.hash)
    throw misconfigured(`${name} must be a plain URL: no user name or fragment (${url.host}).`);
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname))
    throw misconfigured(`${name} ${url.origin} is not https: a secret could be read on the way. See allowInsecure.`);
  return url;
}

/** The same for a URL that others are built on: it has no query either, and no slash at its end. */
export function checkBaseUrl(name: string, value: string | URL, trust: UrlTrust): string {
  const url = checkServerUrl(name, value, trust);
  if (url.search) throw misconfigured(`${name} must be a plain URL: no query (${url.host}).`);
  return url.origin + url.pathname.replace(/\/+$/, "");
}
