/** Where a redirect leads, and what of the request goes along (Fetch standard, HTTP-redirect fetch). */
import { DPoPError } from "../errors.js";
import { nameOf } from "../oauth/http.js";

export interface Redirect {
  readonly url: URL;
  /** The next request is a GET (or stays a HEAD), without the body and what describes it. */
  readonly dropsBody: boolean;
}

/** What describes a body, and goes when it goes. */
export const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
  "content-length",
];

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * @returns where the answer leads, or undefined if it is no redirect
 * @throws {DPoPError} code `redirect` if it leads to another origin, or nobody can see where
 */
export function redirectOf(request: { url: URL; method: string }, response: Response): Redirect | undefined {
  if (response.redirected) throw refused(request.url, "and its fetch followed, against the request");
  if (response.type === "opaqueredirect") throw refused(request.url, "to where can't be seen");
  const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
  if (location === null) return undefined;
  const target = Buffer.from(location, "latin1").toString();
  if (!URL.canParse(target, request.url.href)) throw refused(request.url, "to what is no URL");
  const url = new URL(target, request.url);
  if (url.origin !== request.url.origin) throw refused(request.url, `to ${url.origin}`);
  return { url, dropsBody: dropsBody(response.status, request.method) };
}

function dropsBody(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}

function refused(url: URL, where: string): DPoPError {
  const next = 'The token was not sent on. Call the final URL, or give redirect: "manual".';
  return new DPoPError("redirect", `${nameOf(url)} redirects ${where}. ${next}`);
}
