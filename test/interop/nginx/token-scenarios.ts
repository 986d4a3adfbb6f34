/** Token requests through nginx, with and without the option `htu`, and with a wrong clock. */
import { DPoPProver, OAuthClient } from "hardproof";
import { check } from "../scenario.js";
import { messageOf, seenToken } from "../seen.js";
import { clientOf, htuOf, requestToken, type Setting } from "./setting.js";

/** Runs the scenarios. */
export async function tokenScenarios(setting: Setting): Promise<void> {
  await proxied(setting);
  await clocks(setting);
}

async function proxied(setting: Setting): Promise<void> {
  const { scenario, front, authorizationServer: server, prover } = setting;
  const agent = { ...server.client, dpopProver: prover };

  await scenario("behind a proxy", "TLS ended, another host, no prefix: a token by the option htu", async () =>
    seenToken(await requestToken(setting), prover),
  );
  await scenario("behind a proxy", "the same over HTTP/2", async () =>
    seenToken(await clientOf(setting, front.fetchByHttp2).clientCredentials(agent), prover),
  );
  await scenario("behind a proxy", "without the option: the error names htu", async () => {
    const client = new OAuthClient({ baseUrl: `${front.origin}/auth`, fetch: front.fetch });
    return messageOf(client.clientCredentials(agent), /set the option htu/);
  });
  await scenario("nonces", "pass nginx: one retry", async () => {
    server.rotateNonces();
    const before = server.requests.length;
    await requestToken(setting);
    const statuses = server.requests.slice(before).map(({ status }) => status);
    check(String(statuses) === "400,200", `statuses ${statuses}`);
    return `statuses ${statuses.join(", ")}`;
  });
  await scenario("refusals", "a secret of 7 kB by Basic", async () => {
    const options = { baseUrl: `${front.origin}/auth`, fetch: front.fetch, clientAuth: "client_secret_basic" } as const;
    const request = new OAuthClient(options).clientCredentials({ ...agent, clientSecret: "s".repeat(7_000) });
    return messageOf(request, /status 400/);
  });
}

/** By the prover's own offset: the authorization server is in this process, and has its clock. */
async function clocks({ scenario, front, clockServer: server, signer }: Setting): Promise<void> {
  const htu = htuOf("/clock", server.issuer);
  const client = new OAuthClient({ baseUrl: `${front.origin}/clock`, fetch: front.fetch, htu });
  for (const seconds of [500, -500])
    await scenario("wrong clock", `${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}: one retry`, async () => {
      const dpopProver = await DPoPProver.create(signer, { clockOffset: seconds });
      const before = server.requests.length;
      await client.clientCredentials({ ...server.client, dpopProver });
      const statuses = server.requests.slice(before).map(({ status }) => status);
      check(String(statuses) === "400,200", `statuses ${statuses}`);
      return `statuses ${statuses.join(", ")}`;
    });
}
