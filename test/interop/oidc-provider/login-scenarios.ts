/** Logins by an authorization code, signed requests and responses, and refreshes. */
import { memoryTokenStore, OAuthClient, tokenSource } from "hardproof";
import { authorizeInBrowser } from "../../servers/browser.js";
import { check } from "../scenario.js";
import { logIn, REDIRECT_URI, refreshTokenOf, refusedWith, type Setting, seenToken } from "./setting.js";

/** Runs the scenarios. */
export async function loginScenarios(setting: Setting): Promise<void> {
  await logins(setting);
  await signatures(setting);
  await codes(setting);
  await refreshes(setting);
  await concurrentRefreshes(setting);
}

async function logins({ scenario, server, client, agent, prover }: Setting): Promise<void> {
  await scenario("authorization code, PKCE", "by private_key_jwt", async () => {
    const { token, request, response } = await logIn(client, agent, { pushed: false });
    return `${seenToken(token, prover)}; request ${request}; callback ${response}`;
  });
  await scenario("public client", "logs in, and refreshes with the same key", async () => {
    const publicAgent = { ...server.clients.public, dpopProver: prover };
    const plain = await OAuthClient.discover(server.issuer);
    const { token } = await logIn(plain, publicAgent);
    return seenToken(await plain.refresh({ ...publicAgent, refreshToken: refreshTokenOf(token) }), prover);
  });
  await scenario("pushed request (PAR)", "by private_key_jwt", async () => {
    const { token, request } = await logIn(client, agent, { pushed: true });
    check(request === "client_id, request_uri", `the request has ${request}`);
    return `${seenToken(token, prover)}; request ${request}`;
  });
  await scenario("ID token", "is verified by the server's key", async () => {
    const { idTokenClaims } = (await logIn(client, agent, { maxAge: 600 })).token;
    check(idTokenClaims?.sub === "alice", `the user is ${idTokenClaims?.sub}`);
    return `of the user ${idTokenClaims.sub}`;
  });
}

async function signatures({ scenario, client, agent, prover, clientKey, thief }: Setting): Promise<void> {
  const requestObject = { signer: clientKey };
  for (const pushed of [false, true])
    await scenario("request object", pushed ? "pushed" : "in the browser's URL", async () => {
      const { token, request } = await logIn(client, agent, { requestObject, pushed });
      return `${seenToken(token, prover)}; request ${request}`;
    });
  await scenario("refusals", "a request object by another key", () =>
    refusedWith("invalid_request_object", () =>
      logIn(client, agent, { requestObject: { signer: thief.signer }, pushed: true }),
    ),
  );
  for (const responseMode of ["jwt", "query.jwt", "fragment.jwt"])
    await scenario("signed response (JARM)", responseMode, async () => {
      const { token, callback } = await logIn(client, agent, { responseMode });
      return `${seenToken(token, prover)}; callback ${callback.replace(/=.*/, "=…")}`;
    });
}

async function codes({ scenario, client, agent, thief }: Setting): Promise<void> {
  for (const pushed of [false, true])
    await scenario("dpop_jkt", `another key can't redeem the code, pushed: ${pushed}`, () =>
      refusedWith("invalid_grant", () => logIn(client, agent, { pushed, redeemer: thief })),
    );
  await scenario("refusals", "a code that was used", async () => {
    const { pending, callback } = await logIn(client, agent);
    return refusedWith("invalid_grant", () => client.authorizationCode(callback, { ...agent, ...pending }));
  });
  await scenario("refusals", "a wrong code verifier", async () => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: "openid" });
    const callback = await authorizeInBrowser(pending.url, REDIRECT_URI);
    const codeVerifier = "v".repeat(43);
    return refusedWith("invalid_grant", () =>
      client.authorizationCode(callback, { ...agent, ...pending, codeVerifier }),
    );
  });
  await scenario("refusals", "the user doesn't consent", async () => {
    const extra = { prompt: "consent" };
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: "openid", extra });
    const callback = await authorizeInBrowser(pending.url, REDIRECT_URI, { answer: "no" });
    return refusedWith("access_denied", () => client.authorizationCode(callback, { ...agent, ...pending }));
  });
  await scenario("refusals", "an unknown response mode", () =>
    refusedWith("unsupported_response_mode", () =>
      logIn(client, agent, { responseMode: "carrier_pigeon", pushed: true }),
    ),
  );
}

async function refreshes({ scenario, server, client, agent, prover, thief }: Setting): Promise<void> {
  const refresh = (refreshToken: string) => client.refresh({ ...agent, refreshToken });
  await scenario("refresh, rotation", "three times, each time to a new refresh token", async () => {
    let { token } = await logIn(client, agent);
    for (let round = 0; round < 3; round += 1) {
      const next = await refresh(refreshTokenOf(token));
      check(next.refreshToken !== token.refreshToken, "the refresh token is the same");
      token = next;
    }
    return seenToken(token, prover);
  });
  await scenario("reused refresh token", "is refused, and ends the grant", async () => {
    const { token } = await logIn(client, agent);
    const next = await refresh(refreshTokenOf(token));
    const words = await refusedWith("invalid_grant", () => refresh(refreshTokenOf(token)));
    return `${words} Then the current refresh token: ${await refusedWith("invalid_grant", () => refresh(refreshTokenOf(next)))}`;
  });
  await scenario("thief with another key", "can't refresh the token of a public client", async () => {
    const publicAgent = { ...server.clients.public, dpopProver: prover };
    const plain = await OAuthClient.discover(server.issuer);
    const refreshToken = refreshTokenOf((await logIn(plain, publicAgent)).token);
    const words = await refusedWith("invalid_grant", () =>
      plain.refresh({ ...publicAgent, refreshToken, dpopProver: thief }),
    );
    return `${words} Then the rightful client: ${seenToken(await plain.refresh({ ...publicAgent, refreshToken }), prover)}`;
  });
}

async function concurrentRefreshes({ scenario, client, agent, prover }: Setting): Promise<void> {
  await scenario("refresh, rotation", "two sources that share a store renew at the same moment", async () => {
    const { token } = await logIn(client, agent);
    const options = { client, prover, clientId: agent.clientId, store: memoryTokenStore() };
    const grantType = "authorization_code";
    const sources = [tokenSource({ ...options, grantType, token }), tokenSource({ ...options, grantType })] as const;
    const { accessToken } = await sources[0].token();
    const renewed = await Promise.all(sources.map((source) => source.renew(accessToken)));
    const tokens = new Set(renewed.map((each) => each.accessToken));
    check(tokens.size === 1 && !tokens.has(accessToken), `${tokens.size} new tokens`);
    return "one refresh, and both have the new token";
  });
}
