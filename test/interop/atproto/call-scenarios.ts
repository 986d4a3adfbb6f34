/** Calls to the PDS with a token: nonces, replays, thieves, wrong clocks. */
import { DPoPProver, discoverResource, dpopFetch, OAuthClient, type ProofOptions, type Token } from "hardproof";
import { recordedFetch } from "../recorded-fetch.js";
import { check } from "../scenario.js";
import { reasonOf, responseLine } from "../seen.js";
import { withClock } from "../wrong-clock.js";
import { REDIRECT_URI, SCOPE, type Setting, sessionUrl } from "./setting.js";

/** Runs the scenarios. */
export async function callScenarios(setting: Setting): Promise<void> {
  const token = await setting.login();
  await calls(setting, token);
  await nonces(setting, token);
  await wrongClocks(setting);
  await rejectedProofs(setting, token);
}

async function calls({ scenario, pds, agent }: Setting, token: Token): Promise<void> {
  const { dpopProver: prover } = agent;
  const fetch = dpopFetch({ prover, token });
  const xrpc = (method: string) => `${pds.origin}/xrpc/com.atproto.${method}`;
  await scenario("protected resource", "writes a record, and reads it back", async () => {
    const post = { repo: pds.account.did, collection: "app.bsky.feed.post" };
    const record = { $type: "app.bsky.feed.post", text: "Signed by a token.", createdAt: new Date().toISOString() };
    const written = await fetch(xrpc("repo.createRecord"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...post, record }),
    });
    check(written.ok, await responseLine(written.clone()));
    const { uri } = (await written.json()) as { uri: string };
    const read = await fetch(
      `${xrpc("repo.getRecord")}?${new URLSearchParams({ ...post, rkey: uri.replace(/^.*\//, "") })}`,
    );
    check((await read.text()).includes(record.text), "the record has another text");
    return "createRecord 200, getRecord 200";
  });
  await scenario("resource metadata", "leads from the resource to its authorization server", async () => {
    const { resource, issuer } = await discoverResource(sessionUrl(pds), { resource: pds.origin });
    check(issuer === pds.origin, `the server is ${issuer}`);
    return `resource and issuer are the same: ${resource === issuer}`;
  });
  await scenario("200 calls at once", "all succeed", async () => {
    const recorded = recordedFetch();
    const counted = dpopFetch({ prover, token, fetch: recorded.fetch });
    const responses = await Promise.all(Array.from({ length: 200 }, () => counted(sessionUrl(pds))));
    const failed = responses.filter(({ ok }) => !ok).length;
    check(failed === 0, `${failed} calls failed`);
    return `200 × 200, ${recorded.requests.length} requests`;
  });
}

async function nonces({ scenario, pds, agent }: Setting, token: Token): Promise<void> {
  await scenario("nonces", "are requested by the resource, once", async () => {
    const recorded = recordedFetch();
    const prover = await DPoPProver.create(agent.dpopProver.signer); // It doesn't know a nonce.
    const fetch = dpopFetch({ prover, token, fetch: recorded.fetch });
    for (let round = 0; round < 3; round++) await fetch(sessionUrl(pds));
    const statuses = recorded.statuses();
    check(statuses === "401, 200, 200, 200", statuses);
    return statuses;
  });
  await scenario("nonces", "are requested by the authorization server, once", async () => {
    const recorded = recordedFetch();
    const client = await OAuthClient.discover(pds.origin, { fetch: recorded.fetch });
    recorded.statuses();
    for (let round = 0; round < 2; round++)
      await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: SCOPE });
    const statuses = recorded.statuses();
    check(statuses === "400, 201, 201", statuses);
    return statuses;
  });
}

/** A proof may be 190 seconds old, or be made 180 seconds in the future. */
async function wrongClocks({ scenario, pds, agent, login }: Setting): Promise<void> {
  for (const seconds of [60, -60, 400, -400]) {
    const clock = `a clock ${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
    await scenario("wrong clock", `${clock}: a call, a login and a refresh succeed`, async () => {
      const token = await login();
      // A prover remembers a corrected clock, so each server gets a new one.
      const newProver = () => DPoPProver.create(agent.dpopProver.signer);
      const recorded = recordedFetch();
      const client = await OAuthClient.discover(pds.origin, { fetch: recorded.fetch });
      recorded.statuses();
      return withClock(seconds, async () => {
        const fetch = dpopFetch({ prover: await newProver(), token, fetch: recorded.fetch });
        const response = await fetch(sessionUrl(pds));
        const called = recorded.statuses();
        check(response.ok, `the call: ${called}, ${await responseLine(response)}`);
        const as = { ...agent, dpopProver: await newProver() };
        const next = await login({ client, agent: as });
        const loggedIn = recorded.statuses();
        await client.refresh({ ...as, refreshToken: next.refreshToken ?? "" });
        return `call ${called}; login ${loggedIn}; refresh ${recorded.statuses()}`;
      });
    });
  }
}

async function rejectedProofs({ scenario, pds, agent, thief, login }: Setting, token: Token): Promise<void> {
  const { dpopProver: prover } = agent;
  const send = (proof: string, accessToken = token.accessToken) =>
    fetch(sessionUrl(pds), { headers: { authorization: `DPoP ${accessToken}`, dpop: proof } });
  const refused = async (response: Response) => {
    check(response.status === 401 || response.status === 400, await responseLine(response.clone()));
    return responseLine(response);
  };
  const request = { htm: "GET", htu: sessionUrl(pds), accessToken: token.accessToken };
  const challenge = await send(await prover.makeProof(request));
  const nonce = challenge.headers.get("dpop-nonce") ?? "";
  const proofBy = (by: DPoPProver, options: Partial<ProofOptions> = {}) =>
    by.makeProof({ ...request, nonce, ...options });
  await scenario("replayed proof", "is refused", async () => {
    const proof = await proofBy(prover);
    const first = await send(proof);
    check(first.ok, await responseLine(first));
    return refused(await send(proof));
  });
  await scenario("thief with another key", "is refused", async () => refused(await send(await proofBy(thief))));
  await scenario("thief with another key", "is refused without a proof", async () => {
    const headers = { authorization: `Bearer ${token.accessToken}` };
    return refused(await fetch(sessionUrl(pds), { headers }));
  });
  await scenario("refusals", "a stale nonce", async () =>
    refused(await send(await proofBy(prover, { nonce: "stale" }))),
  );
  await scenario("refusals", "the proof of another token", async () => {
    const other = await login();
    return refused(await send(await proofBy(prover, { accessToken: other.accessToken })));
  });
  await scenario("refusals", "a method that the PDS doesn't know", async () => {
    const response = await dpopFetch({ prover, token })(`${pds.origin}/xrpc/com.atproto.server.unknown`);
    check(!response.ok, "it succeeds");
    return responseLine(response);
  });
  await scenario("refusals", "a token that isn't one", async () =>
    reasonOf(async () => {
      const response = await dpopFetch({ prover, token: "not-a-token" })(sessionUrl(pds));
      if (!response.ok) throw new Error(await responseLine(response));
    }),
  );
}
