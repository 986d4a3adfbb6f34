/** A user with a browser: logs in at Keycloak's pages, and consents if asked. */
import { type Page, pageReader, textOf } from "../../servers/page-reader.js";
import { USER } from "./realms.js";

/** Follows an authorization request to its callback, which isn't fetched, and returns the callback's URL. */
export async function logIn(url: string, redirectUri: string): Promise<string> {
  const { location, page } = await visit(url, (next) => next.startsWith(redirectUri));
  if (location === undefined) throw new Error(`The last page isn't a redirect to ${redirectUri}: ${textOf(page)}`);
  return location;
}

/** Logs in at the page for a user code, and confirms it (RFC 8628 §3.3). */
export async function confirmDevice(verificationUri: string): Promise<void> {
  const { page } = await visit(verificationUri, () => false);
  if (!/Device Login Successful/i.test(page)) throw new Error(`The device isn't confirmed: ${textOf(page)}`);
}

/** Follows redirects and submits forms, until a redirect to the end, or a page without a form. */
async function visit(url: string, isEnd: (location: string) => boolean): Promise<Page> {
  const browse = pageReader();
  let current = await browse(url);
  for (let base = url; ; ) {
    if (current.location !== undefined) {
      if (isEnd(current.location)) return current;
      base = current.location;
      current = await browse(base);
      continue;
    }
    const form = formOf(current.page);
    if (form === undefined) return current;
    base = new URL(form.action, base).href;
    current = await browse(base, { method: "POST", body: form.fields });
  }
}

function formOf(page: string): { action: string; fields: URLSearchParams } | undefined {
  const action = /<form[^>]*\saction="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&");
  if (action === undefined) return undefined;
  if (page.includes('name="password"')) return { action, fields: new URLSearchParams(USER) };
  const hidden = [...page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]): [string, string] => [
    /name="([^"]*)"/.exec(input)?.[1] ?? "",
    /value="([^"]*)"/.exec(input)?.[1] ?? "",
  ]);
  return { action, fields: new URLSearchParams([...hidden, ["accept", "Yes"]]) };
}
