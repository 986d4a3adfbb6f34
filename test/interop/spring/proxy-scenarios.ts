/** Spring behind a proxy that removes a path prefix, and is at another port. */
import { dpopFetch, OAuthClient } from "hardproof";
import { forwardRequests, hostOf } from "../../servers/forward-requests.js";
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
  const front = await loopbackServer();
  forwardRequests(front, ({ url = "", headers: { host } }) => ({
    to: target,
    path: url.replace(PREFIX, ""),
    headers: forwards ? { "x-forwarded-host": host, "x-forwarded-prefix": PREFIX } : hostOf(target),
  }));
  return { base: front.origin + PREFIX, [Symbol.asyncDispose]: front.close };
}
