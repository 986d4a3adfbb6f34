/** A minimal browser with cookies: follows redirects to the callback, and submits the forms of the device flow. */
import { pageReader } from "./page-reader.js";

interface Visit {
  /** Whether the user consents. Default: yes. */
  answer?: "yes" | "no";
  /** For a server with a self-signed certificate. Default: the global `fetch`. */
  fetch?: typeof fetch;
}

/** Follows the redirects of an authorization request and returns the callback's URL without fetching it. */
export async function authorizeInBrowser(url: string, redirectUri: string, visit: Visit = {}) {
  const browse = browser(visit);
  let next = url;
  while (!next.startsWith(redirectUri)) {
    const { location, page } = await browse(next);
    if (location === undefined) throw new Error(`Expected a redirect from ${next}: ${page}`);
    next = location;
  }
  return next;
}

/** Follows the redirects of an authorization request and returns the fields that its last page posts to the callback. */
export async function postedForm(url: string, redirectUri: string, visit: Visit = {}): Promise<Record<string, string>> {
  const browse = browser(visit);
  for (let next = url; ; ) {
    const { location, page } = await browse(next);
    if (location !== undefined) next = location;
    else if (page.includes(`action="${redirectUri}"`)) return fieldsOf(page);
    else throw new Error(`Expected a form for ${redirectUri} from ${next}: ${page}`);
  }
}

/** Enters a user code on the verification page (RFC 8628 §3.3). */
export async function confirmDevice(verificationUri: string, userCode: string, visit: Visit = {}) {
  const { answer = "yes" } = visit;
  const browse = browser(visit);
  const { page } = await browse(verificationUri);
  const xsrf = /name="xsrf" value="(\w+)"/.exec(page)?.[1] ?? "";
  const decision = answer === "yes" ? { confirm: "yes" } : { abort: "yes" };
  const form = new URLSearchParams({ xsrf, user_code: userCode, ...decision });
  let { location } = await browse(verificationUri, { method: "POST", body: form });
  while (location !== undefined) ({ location } = await browse(location));
}

function fieldsOf(page: string): Record<string, string> {
  const fields = [...page.matchAll(/name="(\w+)" value="([^"]*)"/g)];
  return Object.fromEntries(fields.map(([, name, value]) => [name, value]));
}

function browser({ answer = "yes", fetch }: Visit) {
  const browse = pageReader({ ...(fetch && { fetch }) });
  return (url: string, init?: RequestInit) =>
    browse(answer === "no" && url.includes("/interaction/") ? `${url}?answer=no` : url, init);
}
