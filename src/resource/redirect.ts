/** Redirects: the next URL, and how the request changes (Fetch standard, "HTTP-redirect fetch"). */
import { encodeUrl } from "../dpop/encode-url.js";
import { DPoPError } from "../errors.js";
import { displayUrl } from "../oauth/http.js";

/** Where a redirect leads, and how it changes the request. */
export interface Redirect {
  readonly url: URL;
  /** Whether the next request is a GET (or still a HEAD) without the body and its headers. */
  readonly dropsBody: boolean;
}

/** Headers that describe the body, and are dropped together with it. */
export const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
  "content-length",
];

const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
const MANUAL = 'It must support redirect: "manual" and return the redirect response.';

/**
 * Returns where a response redirects to, or `undefined` if it isn't a redirect.
 *
 * @throws {DPoPError} With code `redirect` if the target has a different origin, or can't be determined.
 */
export function redirectOf(request: { url: URL; method: string }, response: Response): Redirect | undefined {
  if (response.redirected)
    throw new DPoPError("redirect", `The custom fetch followed a redirect of ${displayUrl(request.url)}. ${MANUAL}`);
  if (response.type === "opaqueredirect")
    throw new DPoPError("redirect", `The custom fetch hides the redirect of ${displayUrl(request.url)}. ${MANUAL}`);
  const location = REDIRECT_STATUS.has(response.status) ? response.headers.get("location") : null;
  if (location === null) return undefined;
  const target = Buffer.from(location, "latin1").toString();
  if (!URL.canParse(target, request.url.href)) throw notFollowed(request.url, "an invalid URL");
  const url = encodeUrl(new URL(target, request.url));
  if (url.origin !== request.url.origin) throw notFollowed(request.url, url.origin);
  return { url, dropsBody: dropsBody(response.status, request.method) };
}

function dropsBody(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}

function notFollowed(url: URL, target: string): DPoPError {
  const remedy = 'Nothing was sent there. Call the final URL. In code, redirect: "manual" returns the response.';
  return new DPoPError("redirect", `${displayUrl(url)} redirects to ${target}. ${remedy}`);
}
