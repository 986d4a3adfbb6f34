/** Calls to the userinfo endpoint: nonces, replays, thieves, a token that ended, and many at once. */
import { DPoPProver, dpopFetch, type OAuthClient, type Token, tokenSource } from "hardproof";
import { recordedFetch } from "../recorded-fetch.js";
import { check } from "../scenario.js";
import { responseLine } from "../seen.js";
import { byKey, logIn, refusedWith, type Setting } from "./setting.js";

/** Runs the scenarios. */
export async function resourceScenarios(setting: Setting): Promise<void> {
  const { token } = await logIn(setting.client, setting.agent);
  await calls(setting, token);
  await nonces(setting, token);
  await thieves(setting, token);
  await atOnce(setting, token);
  await endedToken(setting);
}

/** Returns the URL of the userinfo endpoint. */
export function userinfoOf({ metadata }: OAuthClient): string {
  return String(metadata?.userinfo_endpoint);
}

async function calls({ scenario, client, prover }: Setting, token: Token): Promise<void> {
  for (const [title, suffix, init] of [
    ["GET", "", {}],
    ["POST", "", { method: "POST", body: new URLSearchParams({ scope: "openid" }) }],
    ["a query", "?scope=openid&a=b%20c#d", {}],
  ] as const)
    await scenario("protected resource", title, async () => {
      const response = await dpopFetch({ prover, token })(`${userinfoOf(client)}${suffix}`, init);
      const line = await responseLine(response);
      check(response.ok, line);
      return line;
    });
}

async function nonces({ scenario, server, clientKey, agent, signer }: Setting, token: Token): Promise<void> {
  await scenario("nonces", "the first call, the next one, and one after new nonces", async () => {
    const seen = recordedFetch();
    const prover = await DPoPProver.create(signer);
    const client = await byKey(server, clientKey);
    const call = dpopFetch({ prover, token, fetch: seen.fetch });
    await call(userinfoOf(client));
    await call(userinfoOf(client));
    await server.order("rotateNonces");
    const { ok } = await call(userinfoOf(client));
    const statuses = seen.statuses();
    check(ok && statuses === "401, 200, 200, 401, 200", `statuses ${statuses}`);
    return `statuses ${statuses}`;
  });
  await scenario("nonces", "the token endpoint after new nonces, with a new assertion", async () => {
    const seen = recordedFetch();
    const client = await byKey(server, clientKey, { fetch: seen.fetch });
    await client.clientCredentials(agent);
    await server.order("rotateNonces");
    seen.requests.length = 0;
    await client.clientCredentials(agent);
    const assertions = new Set(seen.requests.map(({ body }) => new URLSearchParams(body).get("client_assertion")));
    const statuses = seen.statuses();
    check(statuses === "400, 200" && assertions.size === 2, `statuses ${statuses}, ${assertions.size} assertions`);
    return `statuses ${statuses}, ${assertions.size} assertions`;
  });
}

async function thieves({ scenario, server, client, prover, thief }: Setting, token: Token): Promise<void> {
  const { accessToken } = token;
  const url = userinfoOf(client);
  const send = (headers: Record<string, string>) => fetch(url, { headers });
  const nonce = await currentNonce(url, thief, accessToken);
  const proofBy = (by: DPoPProver) => by.makeProof({ htm: "GET", htu: url, accessToken, nonce });
  const rejected = async (response: Response) => {
    check(response.status >= 400, `status ${response.status}`);
    return responseLine(response);
  };
  await scenario("thief with another key", "has the token and a current nonce", async () =>
    rejected(await send({ authorization: `DPoP ${accessToken}`, dpop: await proofBy(thief) })),
  );
  await scenario("thief with another key", "sends the token as Bearer", async () =>
    rejected(await send({ authorization: `Bearer ${accessToken}` })),
  );
  await scenario("thief with another key", "has the token, and no proof", async () =>
    rejected(await send({ authorization: `DPoP ${accessToken}` })),
  );
  await scenario("replayed proof", "at the token endpoint", async () => {
    const seen = recordedFetch();
    const bySecret = await byKey(server, thief.signer, { clientAuth: "client_secret_post", fetch: seen.fetch });
    await bySecret.clientCredentials({ ...server.clients.post, dpopProver: prover });
    const last = seen.requests.at(-1);
    check(last !== undefined, "no request");
    return rejected(await fetch(last.url, last));
  });
  await scenario("replayed proof", "at the userinfo endpoint", async () => {
    const headers = { authorization: `DPoP ${accessToken}`, dpop: await proofBy(prover) };
    const first = await send(headers);
    check(first.ok, await responseLine(first));
    return rejected(await send(headers));
  });
}

async function currentNonce(url: string, prover: DPoPProver, accessToken: string): Promise<string> {
  const dpop = await prover.makeProof({ htm: "GET", htu: url, accessToken });
  const response = await fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop } });
  return response.headers.get("dpop-nonce") ?? "";
}

async function endedToken({ scenario, server, client, prover, agent }: Setting): Promise<void> {
  const { clientId } = agent;
  await scenario("token that ended", "is refreshed in mid-use, once for 20 calls", async () => {
    const { token } = await logIn(client, agent);
    const seen = recordedFetch();
    const source = tokenSource({ client, prover, clientId, grantType: "authorization_code", token });
    const call = dpopFetch({ prover, token: source, fetch: seen.fetch });
    await call(userinfoOf(client));
    await server.order("endAccessTokens");
    seen.requests.length = 0;
    const responses = await Promise.all(Array.from({ length: 20 }, () => call(userinfoOf(client))));
    const failed = responses.filter(({ ok }) => !ok);
    check(failed.length === 0, `${failed.length} failed, with ${failed[0]?.status}`);
    const tokens = new Set(seen.requests.map(({ headers }) => headers.get("authorization")));
    check(tokens.size === 2, `the calls had ${tokens.size} tokens`);
    return "20 of 20 with the new token";
  });
  await scenario("token that ended", "can't be renewed after the refresh token was revoked", async () => {
    const { token } = await logIn(client, agent);
    const source = tokenSource({ client, prover, clientId, grantType: "authorization_code", token });
    await client.revoke({ clientId, token: String(token.refreshToken) });
    return refusedWith("invalid_grant", () => source.renew(token));
  });
}

async function atOnce({ scenario, server, client, agent, signer, clientKey }: Setting, token: Token): Promise<void> {
  await scenario("200 calls at once", "to the userinfo endpoint, by a new prover", async () => {
    const call = dpopFetch({ prover: await DPoPProver.create(signer), token });
    const responses = await Promise.all(Array.from({ length: 200 }, () => call(userinfoOf(client))));
    const failed = responses.filter(({ ok }) => !ok);
    check(failed.length === 0, `${failed.length} failed, with ${failed[0]?.status}`);
    return "200 of 200 with status 200";
  });
  await scenario("200 calls at once", "to the userinfo endpoint, whose nonces change meanwhile", async () => {
    const seen = recordedFetch();
    const call = dpopFetch({ prover: await DPoPProver.create(signer), token, fetch: seen.fetch });
    await call(userinfoOf(client));
    seen.requests.length = 0;
    const calls = Array.from({ length: 200 }, () => call(userinfoOf(client)));
    await Promise.any(calls);
    await server.order("rotateNonces");
    const failed = (await Promise.all(calls)).filter(({ ok }) => !ok);
    check(failed.length === 0, `${failed.length} failed, with ${failed[0]?.status}`);
    const challenged = seen.requests.filter(({ status }) => status === 401).length;
    return `200 of 200 with status 200, ${challenged} of them after a challenge`;
  });
  await scenario("200 calls at once", "to the token endpoint, by private_key_jwt", async () => {
    const fresh = await byKey(server, clientKey);
    const tokens = await Promise.all(Array.from({ length: 200 }, () => fresh.clientCredentials(agent)));
    const count = new Set(tokens.map(({ accessToken }) => accessToken)).size;
    check(count === 200, `${count} tokens`);
    return `${count} tokens`;
  });
}
