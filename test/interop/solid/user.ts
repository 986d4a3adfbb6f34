/** A user with a browser, who logs in at the server by the JSON API of its pages. */
import { newCookies } from "../../servers/cookies.js";
import type { SolidServer } from "./server.js";

/**
 * Follows an authorization request to its callback, which isn't requested.
 *
 * @returns The callback's URL.
 */
export async function logIn(url: string, redirectUri: string, { issuer, user }: SolidServer): Promise<string> {
  const browse = browser();
  const index = `${issuer}.account/`;
  const answers: Record<string, { control: readonly [string, string]; fields: object }> = {
    account: { control: ["password", "login"], fields: { email: user.email, password: user.password } },
    login: { control: ["oidc", "webId"], fields: { webId: user.webId, remember: false } },
    consent: { control: ["oidc", "consent"], fields: { remember: true } }, // Otherwise without a refresh token.
  };
  for (let next = url; ; ) {
    const { location, body: page } = await browse(next);
    if (location === undefined) throw new Error(`Expected a redirect from ${next}: ${page.slice(0, 500)}`);
    if (location.startsWith(redirectUri)) return location;
    next = location;
    if (location !== index) continue;
    const { prompt, controls } = JSON.parse((await browse(`${index}oidc/prompt/`)).body);
    const { control, fields } = answers[prompt] ?? {};
    if (control === undefined) throw new Error(`The server asks for ${prompt}.`);
    const { location: resumed, body } = await browse(controls[control[0]][control[1]], fields);
    next = resumed ?? JSON.parse(body).location;
  }
}

/** Sends requests with the cookies of the responses before. */
function browser() {
  const cookies = newCookies();
  return async (url: string, fields?: object) => {
    const headers = new Headers({ accept: "application/json", cookie: cookies.header() });
    if (fields) headers.set("content-type", "application/json");
    const request = fields ? { method: "POST", body: JSON.stringify(fields) } : {};
    const response = await fetch(url, { ...request, headers, redirect: "manual" });
    cookies.store(response.headers.getSetCookie());
    const location = response.headers.get("location") ?? undefined;
    return { location: location && new URL(location, url).href, body: await response.text() };
  };
}
