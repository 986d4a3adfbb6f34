/** What every scripted browser does: it has cookies, and reads pages without following their redirects. */
import { newCookies } from "./cookies.js";

/** A page, or where it redirects to. */
export interface Page {
  readonly page: string;
  readonly location: string | undefined;
}

interface ReaderOptions {
  readonly fetch?: typeof fetch;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Returns a function that requests one page after the other. */
export function pageReader({ fetch = globalThis.fetch, headers }: ReaderOptions = {}) {
  const cookies = newCookies();
  return async (url: string, init: RequestInit = {}): Promise<Page> => {
    const allHeaders = { ...headers, cookie: cookies.header() };
    const response = await fetch(url, { ...init, headers: allHeaders, redirect: "manual" });
    cookies.store(response.headers.getSetCookie());
    const location = response.headers.get("location");
    return { page: await response.text(), location: location === null ? undefined : new URL(location, url).href };
  };
}

/** Returns the text of a page, for an error. */
export function textOf(page: string): string {
  const body = page.replace(/<(script|style)[\s\S]*?<\/\1>/g, "").replace(/<[^>]*>/g, " ");
  return body.replace(/\s+/g, " ").trim().slice(0, 300);
}
