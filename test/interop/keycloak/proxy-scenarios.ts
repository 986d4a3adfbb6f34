/** Proxies that give Keycloak another URL than the client's: another host name, and a path prefix that they remove. */
import { dpopFetch, OAuthClient } from "hardproof";
import { forwardRequests, hostOf } from "../../servers/forward-requests.js";
import { type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";
import { endpointsAt } from "../endpoints-at.js";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { refusalOf } from "./main-realm.js";
import { createRealm } from "./realms.js";
import { registration } from "./registration.js";

const PREFIX = "/sso";
const ODD_NAME = "Zürich 50% a|b^c";

/** Runs the scenarios. */
export async function proxyScenarios({ scenario, server, signer, prover, realm }: Setting): Promise<void> {
  const { client, agent, logIn } = realm;
  const front = await prefixProxy(server.origin);
  const outside = `${front.origin.replace("127.0.0.1", "localhost")}${PREFIX}`;
  const metadata = endpointsAt(outside, server.origin, client.metadata ?? { issuer: realm.issuer });
  const htu = (url: URL) => url.href.replace(outside, server.origin);
  const behind = { baseUrl: outside, metadata, clientAuth: { method: "private_key_jwt", signer } as const };
  try {
    await scenario(
      "behind a proxy",
      "behind a proxy with a path prefix and another host name, the error names the option htu",
      () =>
        refusalOf(new OAuthClient(behind).clientCredentials(agent)).then((message) => {
          check(message.includes("option htu"), message);
          return message;
        }),
    );

    await scenario(
      "behind a proxy",
      "with the option htu, a login, a refresh and userinfo pass that proxy",
      async () => {
        const through = new OAuthClient({ ...behind, htu });
        const { pending, callback } = await logIn({ pushed: true });
        const token = await through.authorizationCode(callback, { ...agent, ...pending });
        const refreshed = await through.refresh({ ...agent, refreshToken: String(token.refreshToken) });
        const userinfo = String(metadata.userinfo_endpoint);
        const call = dpopFetch({ prover, token: refreshed, htu });
        for (const url of [userinfo, `${userinfo}?a=b%20c#d`]) {
          const response = await call(url);
          check(response.ok, `${url} responded with ${response.status}, ${response.headers.get("www-authenticate")}`);
        }
        return `${front.requests.length} requests to ${outside}`;
      },
    );
  } finally {
    await front.close();
  }

  await scenario("odd paths", `a realm whose name is ${ODD_NAME}`, async () => {
    const issuer = await createRealm(server, { name: ODD_NAME, clients: [await registration("agent", signer)] });
    const there = await OAuthClient.discover(issuer, { clientAuth: behind.clientAuth });
    const { pending, callback } = await logIn({}, there);
    const token = await there.authorizationCode(callback, { ...agent, ...pending });
    const url = String(there.metadata?.userinfo_endpoint);
    const { status } = await dpopFetch({ prover, token })(url);
    check(status === 200, `${url} responded with ${status}`);
    return url;
  });
}

/** Removes the prefix, and replaces the host name by the server's. */
async function prefixProxy(target: string): Promise<LoopbackServer> {
  const front = await loopbackServer();
  forwardRequests(front, ({ url = "" }) => ({ to: target, path: url.slice(PREFIX.length), headers: hostOf(target) }));
  return front;
}
