/** Odd paths: which URL the server behind nginx sees. */
import { dpopFetch } from "hardproof";
import { check } from "../scenario.js";
import type { Setting } from "./setting.js";
import type { Seen } from "./strict-server.js";

/** The path as it is requested. `proxy_pass` with a path changes the first ones, and passes on the others. */
const CHANGED = { "a%2Cb": "a,b", "a%5Bb%5D": "a[b]", "a%7Eb": "a~b", "a%2Fb": "a/b", "a//b": "a/b" };
const UNCHANGED = [
  "a%20b",
  "ä",
  "a'b",
  "a|b",
  "a^b",
  "a{b}",
  "a`b",
  "a[b]",
  "a~b",
  "a+b",
  "a:b@c",
  "a;b=c",
  "a%25b",
  "a/./b",
  "a?x=1&y=[2]",
];

/** Runs the scenarios. */
export async function pathScenarios({ scenario, front, prover }: Setting): Promise<void> {
  const call = (location: string, path: string, htu?: (url: URL) => URL) =>
    dpopFetch({ prover, token: "opaque-token", fetch: front.fetch, htu })(`${front.origin}${location}/${path}`);
  const cut = (url: URL) => new URL(url.href.replace("/cut/", "/"));

  for (const path of [...UNCHANGED, ...Object.keys(CHANGED)])
    await scenario("odd paths", `${path}, by proxy_pass without a path`, async () => {
      return seenBy(await call("/raw", path), 200);
    });
  for (const path of UNCHANGED)
    await scenario("odd paths", `${path}, by proxy_pass with a path`, async () =>
      seenBy(await call("/cut", path, cut), 200),
    );
  for (const [path, changed] of Object.entries(CHANGED))
    await scenario(
      "odd paths",
      `${path} becomes ${changed} by proxy_pass with a path, so a strict server refuses it`,
      async () => {
        const url = await seenBy(await call("/cut", path, cut), 401);
        check(url.endsWith(`/${changed}`), url);
        return url;
      },
    );
}

/** Returns the URL that the server saw. */
async function seenBy(response: Response, status: number): Promise<string> {
  const text = await response.text();
  check(response.status === status, `status ${response.status}, ${text}`);
  return (JSON.parse(text) as Seen).url;
}
