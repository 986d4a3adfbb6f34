/** Refreshes, revocations, and tokens that end, at the PDS. */
import { dpopFetch, memoryTokenStore, type Token, tokenSource } from "hardproof";
import { check } from "../scenario.js";
import { reasonOf, responseLine } from "../seen.js";
import { type Setting, sessionUrl } from "./setting.js";

/** Runs the scenarios. */
export async function tokenScenarios(setting: Setting): Promise<void> {
  await refreshes(setting);
  await concurrentRefreshes(setting);
  await sharedSession(setting);
  await signOut(setting);
}

function call({ pds, agent }: Setting, token: Token): Promise<Response> {
  return dpopFetch({ prover: agent.dpopProver, token })(sessionUrl(pds));
}

async function refreshes(setting: Setting): Promise<void> {
  const { scenario, client, agent, thief, login } = setting;
  const refresh = (token: Token, dpopProver = agent.dpopProver) =>
    client.refresh({ ...agent, dpopProver, refreshToken: token.refreshToken ?? "" });
  await scenario("refresh, rotation", "refreshes three times, each time to a new pair of tokens", async () => {
    let token = await login();
    for (let round = 0; round < 3; round++) {
      const next = await refresh(token);
      check(next.refreshToken !== token.refreshToken, "the refresh token isn't new");
      check((await call(setting, next)).ok, "the new token isn't accepted");
      token = next;
    }
    return "3 new pairs";
  });
  await scenario("refresh, rotation", "ends the access token at a refresh", async () => {
    const token = await login();
    await refresh(token);
    const response = await call(setting, token);
    check(response.status === 401, `the token is still accepted: ${response.status}`);
    return responseLine(response);
  });
  await scenario("reused refresh token", "is refused, and ends the session", async () => {
    const first = await login();
    const second = await refresh(first);
    const reason = await reasonOf(() => refresh(first));
    const rightful = await reasonOf(() => refresh(second));
    check((await call(setting, second)).status === 401, "the session's access token is still accepted");
    return `${reason} Then the current refresh token: ${rightful}`;
  });
  await scenario("thief with another key", "can't refresh", async () => {
    const token = await login();
    const reason = await reasonOf(() => refresh(token, thief));
    const after = await refresh(token).then(
      () => "it succeeds",
      ({ message }: Error) => message,
    );
    return `${reason} Then the rightful client: ${after}`;
  });
}

async function concurrentRefreshes({ scenario, pds, client, agent, login }: Setting): Promise<void> {
  await scenario("reused refresh token", "in two requests at the same moment, at most one gets a token", async () => {
    const { refreshToken } = await login();
    const request = { ...agent, refreshToken: refreshToken ?? "" };
    const results = await Promise.allSettled([client.refresh(request), client.refresh(request)]);
    const seen = results.map((result) => (result.status === "fulfilled" ? "a token" : result.reason.message));
    check(seen.filter((each) => each === "a token").length <= 1, "both get a token");
    return seen.sort().join(" | ");
  });
  await scenario("refresh, rotation", "two sources that share a store renew at the same moment", async () => {
    const { dpopProver: prover, clientId } = agent;
    const options = { client, prover, clientId, store: memoryTokenStore(), grantType: "authorization_code" };
    const sources = [tokenSource({ ...options, token: await login() }), tokenSource(options)] as const;
    const token = await sources[0].token();
    const renewed = await Promise.all(sources.map((source) => source.renew(token)));
    const tokens = new Set(renewed.map(({ accessToken }) => accessToken));
    check(tokens.size === 1 && !tokens.has(token.accessToken), `${tokens.size} new tokens`);
    const calls = sources.map((source) => dpopFetch({ prover, token: source })(sessionUrl(pds)));
    const statuses = (await Promise.all(calls)).map(({ status }) => status).join(", ");
    check(statuses === "200, 200", `the next calls: ${statuses}`);
    return "one refresh, and both have the new token";
  });
}

async function sharedSession({ scenario, pds, client, agent, login }: Setting): Promise<void> {
  await scenario("token that ended", "is replaced in mid-use, after another process has refreshed it", async () => {
    const { dpopProver: prover, clientId } = agent;
    const store = memoryTokenStore();
    const options = { client, prover, clientId, store, grantType: "authorization_code" };
    const mine = tokenSource({ ...options, token: await login() });
    const others = tokenSource(options);
    const fetch = dpopFetch({ prover, token: mine });
    check((await fetch(sessionUrl(pds))).ok, "the first call fails");
    const { accessToken } = await others.token();
    await others.renew(accessToken); // The PDS ends the token of the other source.
    const response = await fetch(sessionUrl(pds));
    check(response.ok, `the next call: ${await responseLine(response)}`);
    return "the next call succeeds with the new token from the store";
  });
}

async function signOut(setting: Setting): Promise<void> {
  const { scenario, client, agent, login } = setting;
  await scenario("revocation", "of either token ends the session at once", async () => {
    for (const kind of ["accessToken", "refreshToken"] as const) {
      const token = await login();
      await client.revoke({ ...agent, token: token[kind] ?? "" });
      const { status } = await call(setting, token);
      check(status === 401, `after the revocation of the ${kind}, the PDS responds with ${status}`);
    }
    return "401 at the next call";
  });
  await scenario("sign-out", "leaves no way to renew the token", async () => {
    const { dpopProver: prover, clientId } = agent;
    const token = await login();
    const source = tokenSource({ client, prover, clientId, token, grantType: "authorization_code" });
    await client.revoke({ ...agent, token: token.refreshToken ?? "" });
    return reasonOf(() => source.renew(token));
  });
}
