/** A user with a browser, who logs in at the PDS by the calls that its page makes. */
import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { newCookies } from "../../servers/cookies.js";
import type { Account } from "./pds.js";

const API = "/@atproto/oauth-provider/~api";
/** What a browser sends with a page. The global `fetch` sends its own values. */
const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

/**
 * Follows an authorization request to its callback, which isn't requested.
 *
 * @param decision - What the user does after the login.
 * @returns The callback's URL, which contains a code or an error.
 */
export async function signIn(url: string, account: Account, decision: "consent" | "reject" = "consent") {
  const { origin } = new URL(url);
  const browse = browser();
  const page = await browse(url, { headers: { ...NAVIGATION, "sec-fetch-site": "none" } });
  if (page.location !== undefined) return page.location;
  const call = async (path: string, body: object, token?: string) => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const site = { "sec-fetch-mode": "same-origin", "sec-fetch-site": "same-origin", origin, referer: url };
    const headers = { ...site, ...authorization, "content-type": "application/json" };
    const response = await browse(origin + API + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (response.status !== 200) throw new Error(`The page's ${path} has status ${response.status}: ${response.body}`);
    return JSON.parse(response.body);
  };
  const { handle: username, password } = account;
  const login = await call("/sign-in", { locale: "en", username, password, remember: false });
  const consent = { sub: account.did };
  const end = await call(`/${decision}`, decision === "consent" ? consent : {}, login.ephemeralToken);
  const headers = { ...NAVIGATION, "sec-fetch-site": "same-origin", referer: url };
  const { location, status } = await browse(end.url, { headers });
  if (location === undefined) throw new Error(`Expected a redirect to the callback, got status ${status}.`);
  return location;
}

interface BrowserRequest {
  method?: string;
  headers: OutgoingHttpHeaders;
  body?: string;
}

/** Sends requests with the cookies of the responses before. */
function browser() {
  const cookies = newCookies();
  return async (url: string, { method, headers, body }: BrowserRequest) => {
    const token = cookies.get("csrf-token");
    const csrf = token === undefined ? {} : { "x-csrf-token": token };
    const response = await send(url, { method, headers: { ...headers, ...csrf, cookie: cookies.header() } }, body);
    cookies.store(response.headers["set-cookie"] ?? []);
    const { statusCode: status, headers: received } = response;
    return { status, location: received.location, body: await text(response) };
  };
}

function send(url: string, options: { method?: string | undefined; headers: OutgoingHttpHeaders }, body?: string) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    request(url, options, resolve).once("error", reject).end(body);
  });
}
