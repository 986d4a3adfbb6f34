/** oidc-provider behind proxies, and mounted at odd paths. */
import { dpopFetch, OAuthClient } from "hardproof";
import { forwardRequests, hostOf } from "../../servers/forward-requests.js";
import { loopbackServer } from "../../servers/loopback-server.js";
import { type Certificate, fetchWith, newCertificate } from "../../servers/mutual-tls.js";
import { endpointsAt } from "../endpoints-at.js";
import { check } from "../scenario.js";
import { responseLine } from "../seen.js";
import { userinfoOf } from "./resource-scenarios.js";
import { oidcProvider } from "./server.js";
import { byKey, logIn, refusedWith, type Setting, seenToken } from "./setting.js";

const PATHS = ["/auth", "/tenants/a%20b", "/%C3%A4/%E6%97%A5", "/a'b(c)", "/a%7Cb%5Ec", "/a+b~c", "/a:b@c", "/a=b,c"];

/** Runs the scenarios. */
export async function proxyScenarios(setting: Setting): Promise<void> {
  await tlsAtTheProxy(setting);
  await withoutHeaders(setting);
  for (const path of PATHS) await mountedAt(setting, path);
}

async function tlsAtTheProxy(setting: Setting): Promise<void> {
  const { scenario, clientKey, agent, prover, registration } = setting;
  const certificate = newCertificate("proxy");
  await using front = await proxy({ certificate });
  await using server = await oidcProvider({ issuer: front.origin, userinfo: true, clients: [registration] });
  front.forward(({ headers: { host } }) => ({
    to: server.origin,
    headers: { ...hostOf(server.origin), "x-forwarded-host": host, "x-forwarded-proto": "https" },
  }));
  const fetch = fetchWith(undefined, certificate);
  await scenario("behind a proxy", "that ends TLS, with provider.proxy = true", async () => {
    const client = await byKey(server, clientKey, { fetch });
    const { token } = await logIn(client, agent, { pushed: true, fetch });
    const response = await dpopFetch({ prover, token, fetch })(userinfoOf(client));
    check(response.ok, await responseLine(response));
    return `${seenToken(token, prover)}; userinfo has status ${response.status}`;
  });
}

const PREFIX = "/sso";

async function withoutHeaders(setting: Setting): Promise<void> {
  const { scenario, server, client, clientKey, agent, prover } = setting;
  await using front = await proxy({});
  front.forward(({ url = "" }) => ({
    to: server.origin,
    path: url.replace(PREFIX, ""),
    headers: hostOf(server.origin),
  }));
  const outside = `${front.origin.replace("127.0.0.1", "localhost")}${PREFIX}`;
  const metadata = endpointsAt(outside, server.issuer, client.metadata ?? { issuer: server.issuer });
  const clientAuth = { method: "private_key_jwt", signer: clientKey } as const;
  const behind = { baseUrl: outside, metadata, clientAuth };
  const htu = (url: URL) => url.href.replace(outside, server.origin);

  await scenario(
    "behind a proxy",
    "that removes a path, without its headers: the error names the option htu",
    async () => {
      const words = await refusedWith("invalid_dpop_proof", () => new OAuthClient(behind).clientCredentials(agent));
      check(words.includes("option htu"), words);
      return words;
    },
  );
  await scenario("behind a proxy", "that removes a path, without its headers: the option htu", async () => {
    const { token } = await logIn(new OAuthClient({ ...behind, htu }), agent, { pushed: true });
    const response = await dpopFetch({ prover, token, htu })(String(metadata.userinfo_endpoint));
    check(response.ok, await responseLine(response));
    return `${seenToken(token, prover)}; userinfo has status ${response.status}`;
  });
}

async function mountedAt(setting: Setting, path: string): Promise<void> {
  const { scenario, clientKey, agent, prover, registration } = setting;
  await using front = await proxy({});
  const issuer = front.origin + path;
  await using server = await oidcProvider({ issuer, userinfo: true, clients: [registration] });
  front.forward(({ headers: { host } }) => ({
    to: server.origin,
    headers: { ...hostOf(server.origin), "x-forwarded-host": host },
  }));
  await scenario("odd paths", `mounted at ${path}`, async () => {
    const client = await byKey(server, clientKey);
    const { token } = await logIn(client, agent, { pushed: true });
    const response = await dpopFetch({ prover, token })(userinfoOf(client));
    check(response.ok, await responseLine(response));
    return `${seenToken(token, prover)}; userinfo is ${userinfoOf(client).replace(front.origin, "")}`;
  });
}

type Route = Parameters<typeof forwardRequests>[1];

/** A proxy whose server can start later, since it is configured with the proxy's URL. */
async function proxy({ certificate }: { certificate?: Certificate }) {
  const front = await loopbackServer(certificate);
  return {
    origin: front.origin,
    forward: (route: Route) => forwardRequests(front, route),
    [Symbol.asyncDispose]: front.close,
  };
}
