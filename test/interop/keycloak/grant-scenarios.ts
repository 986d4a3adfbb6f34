/** Every grant, signed requests and responses, userinfo, and a token that ended at the admin API. */
import { type AssertionKey, dpopFetch, OAuthClient, type ResponseMode, type Token, tokenSource } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import { confirmDevice, logIn } from "./user.js";

const clientId = "agent";
const scope = "openid profile";

interface LoginOptions {
  pushed?: boolean;
  requestObject?: AssertionKey;
  responseMode?: ResponseMode;
}

/** Runs the scenarios in a realm of their own. */
export async function grantScenarios({ scenario, server, signer, prover }: Setting): Promise<void> {
  const pkce = { "pkce.code.challenge.method": "S256" };
  const clients = await Promise.all([registration(clientId, signer), registration("pkce-agent", signer, pkce)]);
  const issuer = await createRealm(server, { name: "grants", clients });
  const client = await OAuthClient.discover(issuer, {
    requireBinding: true,
    clientAuth: { method: "private_key_jwt", signer },
  });
  const agent = { clientId, dpopProver: prover };
  const seenToken = (token: Token) => {
    check(token.cnfJkt === prover.jkt, `the token is bound to ${token.cnfJkt}, the key is ${prover.jkt}`);
    return `a token bound to the key on the token, for ${token.expiresIn} s`;
  };
  const login = async (more: LoginOptions) => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope, ...more });
    const callback = await logIn(pending.url, REDIRECT_URI);
    return { url: new URL(pending.url), callback: new URL(callback), pending };
  };

  await scenario("client credentials by private_key_jwt and DPoP", async () =>
    seenToken(await client.clientCredentials(agent)),
  );

  await scenario("a login, a refresh and userinfo", async () => {
    const { callback, pending } = await login({});
    const token = await client.authorizationCode(callback, { ...agent, ...pending });
    const refreshed = await client.refresh({ ...agent, refreshToken: token.refreshToken ?? "" });
    const response = await dpopFetch({ prover, token: refreshed })(String(client.metadata?.userinfo_endpoint));
    const { preferred_username: name } = (await response.json()) as { preferred_username?: string };
    check(name === "alice", `userinfo has status ${response.status} and the user ${name}`);
    return `${seenToken(refreshed)}, of the user ${name}, issued to ${String(token.idTokenClaims?.azp)}`;
  });

  for (const [title, more] of [
    ["a signed response (JARM)", { responseMode: "jwt" }],
    ["a pushed request", { pushed: true }],
    ["a request object signed by the key on the token", { requestObject: { signer } }],
    ["the same, pushed, with a signed response", { requestObject: { signer }, pushed: true, responseMode: "jwt" }],
  ] as const)
    await scenario(`a login by ${title}`, async () => {
      const { url, callback, pending } = await login(more);
      const token = await client.authorizationCode(callback, { ...agent, ...pending });
      const names = (names: Iterable<string>) => [...names].join(", ");
      return `${seenToken(token)}; request ${names(url.searchParams.keys())}; callback ${names(callback.searchParams.keys())}`;
    });

  for (const [title, device] of [
    ["the device flow", agent],
    ["the device flow with PKCE", { ...agent, clientId: "pkce-agent", ...{ pkce: true } }],
  ] as const)
    await scenario(title, async () => {
      const authorization = await client.deviceAuthorization({ ...device, scope });
      await confirmDevice(authorization.verificationUriComplete ?? authorization.verificationUri);
      return seenToken(await authorization.token());
    });

  await scenario("a token that ended is renewed once at the admin API", async () => {
    let tokenRequests = 0;
    const counted: typeof client.getTokenWithDPoP = (request) => {
      tokenRequests += 1;
      return client.getTokenWithDPoP(request);
    };
    const counting = {
      issuer,
      getTokenWithDPoP: counted,
      refresh: (...args: Parameters<typeof client.refresh>) => client.refresh(...args),
    };
    const source = tokenSource({ client: counting, prover, grantType: "client_credentials", clientId });
    const call = dpopFetch({ prover, token: source });
    const url = `${server.origin}/admin/realms/grants/users/count`;
    const first = await call(url);
    check(first.ok, `the admin API responded with ${first.status} to a valid token: ${await first.text()}`);
    await client.revoke({ clientId, token: (await source.token()).accessToken, dpopProver: prover });
    const second = await call(url);
    const challenge = second.headers.get("www-authenticate");
    check(
      second.ok,
      `the admin API responded with ${second.status}, challenge ${challenge}, after ${tokenRequests} token requests`,
    );
    check(tokenRequests === 2, `the source requested ${tokenRequests} tokens`);
    return `${await second.text()} users, after one more token request`;
  });
}
