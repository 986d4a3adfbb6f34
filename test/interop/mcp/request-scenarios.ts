/** Single requests to the MCP server: its metadata, a wrong clock, and what a thief of the token can send. */
import { DPoPProver, discoverResource, dpopFetch } from "hardproof";
import { check } from "../scenario.js";
import { responseLine } from "../seen.js";
import { CLIENT_ID, type Setting } from "./setting.js";

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: CLIENT_ID, version: "1.0.0" } },
};
const REQUEST = {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
  body: JSON.stringify(INITIALIZE),
};

/** Runs the scenarios. */
export async function requestScenarios(setting: Setting): Promise<void> {
  const { scenario, issuer, server, clientKey, prover } = setting;
  const clientAuth = { method: "private_key_jwt", signer: clientKey } as const;
  const { client, resource, ...discovered } = await discoverResource(server.url, { clientAuth });
  const request = { clientId: CLIENT_ID, dpopProver: prover, scope: "read", resource };

  await scenario("resource metadata", "names the authorization server, also by the challenge", async () => {
    const challenge = await fetch(server.url, REQUEST);
    const byChallenge = await discoverResource(challenge, { clientAuth });
    for (const found of [discovered.issuer, byChallenge.issuer])
      check(found === issuer.issuer, `the issuer is ${found}`);
    return String(challenge.headers.get("www-authenticate"));
  });
  await scenario("wrong clock", "a prover that is 540 s fast", async () => {
    const dpopProver = await DPoPProver.create(prover.signer, { clockOffset: 540 });
    const token = await client.clientCredentials({ ...request, dpopProver });
    const { ok, status } = await dpopFetch({ prover: dpopProver, token })(server.url, REQUEST);
    check(ok, `status ${status}`);
    return `status ${status}`;
  });
  await thieves(setting, (await client.clientCredentials(request)).accessToken);
}

async function thieves({ scenario, server: { url }, prover, thief }: Setting, accessToken: string): Promise<void> {
  const nonce = (await fetch(url, REQUEST)).headers.get("dpop-nonce") ?? "";
  const send = (headers: Record<string, string>) =>
    fetch(url, { ...REQUEST, headers: { ...REQUEST.headers, ...headers } });
  const authorized = async (by: DPoPProver) => ({
    authorization: `DPoP ${accessToken}`,
    dpop: await by.makeProof({ htm: "POST", htu: url, accessToken, nonce }),
  });
  const rejected = async (response: Response) => {
    check(response.status === 401, `status ${response.status}`);
    return responseLine(response);
  };
  await scenario("thief with another key", "has the token, and the current nonce", async () =>
    rejected(await send(await authorized(thief))),
  );
  await scenario("thief with another key", "sends the token as Bearer", async () =>
    rejected(await send({ authorization: `Bearer ${accessToken}` })),
  );
  await scenario("replayed proof", "is refused", async () => {
    const headers = await authorized(prover);
    const first = await send(headers);
    check(first.ok, await responseLine(first));
    return rejected(await send(headers));
  });
}
