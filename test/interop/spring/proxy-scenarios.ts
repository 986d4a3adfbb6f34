/** Spring behind a proxy that removes a path prefix, and is at another port. */
import { request } from "node:http";
import { dpopFetch, OAuthClient } from "hardproof";
import { loopbackServer } from "../../servers/loopback-server.js";
import { check } from "../scenario.js";
import { messageOf, seenResponse, seenToken } from "../seen.js";
import { discover, type Setting } from "./setting.js";

const PREFIX = "/gateway";

/** Runs the scenarios. */
export async function proxyScenarios(setting: Setting): Promise<void> {
  await withForwardedHeaders(setting);
  await withoutThem(setting);
}

/** Spring then knows its URL, if `server.forward-headers-strategy` is set. */
async function withForwardedHeaders({ scenario, server, prover, basic }: Setting): Promise<void> {
  await using front = await proxy(server.origin, { forwards: true });
  await scenario("behind a proxy", "with X-Forwarded headers", async () => {
    const client = await discover({ origin: front.base }, {});
    const token = await client.clientCredentials(basic);
    const response = await dpopFetch({ prover, token })(`${front.base}/resource/accounts`);
    check(response.ok, seenResponse(response));
    return `${seenToken(token, prover)}; the resource sees ${((await response.json()) as { url: string }).url}`;
  });
}

async function withoutThem({ scenario, server, prover, basic }: Setting): Promise<void> {
  await using front = await proxy(server.origin, { forwards: false });
  const options = {
    baseUrl: front.base,
    endpoints: { token: "/oauth2/token" },
    clientAuth: "client_secret_basic",
    requireBinding: true,
  } as const;
  const htu = (url: URL) => new URL(url.pathname.replace(PREFIX, ""), server.origin);

  await scenario("behind a proxy", "without them: the option htu names Spring's own URL", async () => {
    const token = await new OAuthClient({ ...options, htu }).clientCredentials(basic);
    const response = await dpopFetch({ prover, token, htu })(`${front.base}/resource/accounts`);
    check(response.ok, seenResponse(response));
    return `${seenToken(token, prover)}; the resource sees ${((await response.json()) as { url: string }).url}`;
  });
  await scenario("behind a proxy", "without them and without htu: the error names htu", () =>
    messageOf(new OAuthClient(options).clientCredentials(basic), /set the option htu/),
  );
}

async function proxy(target: string, { forwards }: { forwards: boolean }) {
  const { origin, http, close } = await loopbackServer();
  http.on("request", (incoming, outgoing) => {
    const forwarded = { "x-forwarded-host": incoming.headers.host, "x-forwarded-prefix": PREFIX };
    const headers = { ...incoming.headers, ...(forwards ? forwarded : { host: new URL(target).host }) };
    const url = new URL((incoming.url ?? "").replace(PREFIX, ""), target);
    const upstream = request(url, { method: incoming.method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", (error) => outgoing.destroy(error));
    incoming.pipe(upstream);
  });
  return { base: origin + PREFIX, [Symbol.asyncDispose]: close };
}
