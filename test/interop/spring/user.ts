/** A user with a browser: logs in at Spring's page, and consents to every scope. */

import { pageReader, textOf } from "../../servers/page-reader.js";

/** A user of the server. */
export interface User {
  readonly username: string;
  readonly password: string;
}

/** Follows an authorization request to its callback, which isn't fetched, and returns the callback's URL. */
export async function logIn(url: string, redirectUri: string, user: User): Promise<string> {
  return visit(url, user, (location) => location.startsWith(redirectUri));
}

/** Confirms a device at the page for its user code (RFC 8628 §3.3.1). */
export async function confirmDevice(verificationUri: string, user: User): Promise<void> {
  await visit(verificationUri, user, (location) => location.endsWith("/?success"));
}

/** Follows redirects and submits forms until a redirect to the end, whose URL is returned. */
async function visit(url: string, user: User, isEnd: (location: string) => boolean): Promise<string> {
  const browse = pageReader({ headers: { accept: "text/html" } });
  for (let next = url, request: RequestInit = {}; ; ) {
    const { location, page } = await browse(next, request);
    if (location !== undefined) {
      if (isEnd(location)) return location;
      [next, request] = [location, {}];
    } else {
      const { action, fields } = formOf(page);
      next = new URL(action, next).href;
      request = { method: "POST", body: fill(fields, user) };
    }
  }
}

interface Form {
  action: string;
  fields: [name: string, value: string][];
}

function formOf(page: string): Form {
  const action = /<form[^>]*\saction="([^"]+)"/.exec(page)?.[1];
  if (action === undefined) throw new Error(`The last page has no form: ${textOf(page)}`);
  const fields = [...page.matchAll(/<input\s[^>]*>/g)].map(([input]): [string, string] => [
    attribute(input, "name"),
    attribute(input, "value"),
  ]);
  return { action, fields };
}

function attribute(tag: string, name: string): string {
  return new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "";
}

function fill(fields: Form["fields"], { username, password }: User): URLSearchParams {
  const typed: Record<string, string> = { username, password };
  return new URLSearchParams(fields.map(([name, value]): [string, string] => [name, typed[name] ?? value]));
}
