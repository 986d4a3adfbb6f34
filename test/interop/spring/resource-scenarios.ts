/** Calls to a resource server by Spring Security. */
import { DPoPProver, dpopFetch, type Token } from "hardproof";
import { check } from "../scenario.js";
import { seenResponse } from "../seen.js";
import type { Setting } from "./setting.js";

const PATHS = ["a%20b", "a%2Cb", "ä", "日本", "a'b", "a|b", "a^b", "a{b}", "a`b", "a%5Bb%5D", "a~b", "a+b", "a:b@c"];
/** Tomcat or Spring's firewall refuses them, from every client. */
const REFUSED_PATHS = ["a[b]", "?x=[1]", "a//b", "a;b=c", "a%2Fb"];

/** Runs the scenarios. */
export async function resourceScenarios(setting: Setting): Promise<void> {
  const { client, basic } = setting;
  const token = await client.clientCredentials({ ...basic, scope: "read" });
  await calls(setting, token);
  await protection(setting, token);
  await oddPaths(setting, token);
  await thieves(setting, token);
  await atOnce(setting, token);
}

async function calls({ scenario, server, prover }: Setting, token: Token): Promise<void> {
  const call = dpopFetch({ prover, token });
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"])
    await scenario("protected resource", method, async () => {
      const response = await call(`${server.origin}/resource/accounts?page=1`, { method });
      check(response.ok, seenResponse(response));
      const { method: seen } = (await response.json()) as { method: string };
      check(seen === method, `the server saw ${seen}`);
      return seenResponse(response);
    });
}

/** Spring Security doesn't exempt the scheme `DPoP` from its protection against CSRF, as it does `Bearer`. */
async function protection({ scenario, server, prover }: Setting, token: Token): Promise<void> {
  const call = dpopFetch({ prover, token });
  await scenario("refusals", "a POST, unless the protection against CSRF is switched off", async () => {
    const [read, write] = [
      await call(`${server.origin}/protected`),
      await call(`${server.origin}/protected`, { method: "POST" }),
    ];
    check(read.ok && write.status === 403, `GET: ${seenResponse(read)}, POST: ${seenResponse(write)}`);
    return `GET: ${seenResponse(read)}, POST: ${seenResponse(write)}`;
  });
}

async function oddPaths({ scenario, server, prover }: Setting, token: Token): Promise<void> {
  const call = dpopFetch({ prover, token });
  for (const path of PATHS)
    await scenario("odd paths", path, async () => {
      const response = await call(`${server.origin}/resource/${path}`);
      check(response.ok, seenResponse(response));
      return ((await response.json()) as { url: string }).url;
    });
  for (const path of REFUSED_PATHS)
    await scenario("odd paths", `${path} is refused, also without a token`, async () => {
      const url = `${server.origin}/resource/${path}`;
      const [response, plain] = [await call(url), await fetch(url)];
      check(response.status === 400 && plain.status === 400, `${seenResponse(response)}, plain ${seenResponse(plain)}`);
      return seenResponse(response);
    });
}

async function thieves({ scenario, server, prover, thief }: Setting, token: Token): Promise<void> {
  const url = `${server.origin}/resource/accounts`;
  const refused = (response: Response) => {
    check(response.status === 401, seenResponse(response));
    return seenResponse(response);
  };
  const send = (proof: string) => fetch(url, { headers: { authorization: `DPoP ${token.accessToken}`, dpop: proof } });
  await scenario("thief with another key", "has the token, and signs by another key", async () =>
    refused(await send(await thief.makeProof({ htm: "GET", htu: url, accessToken: token.accessToken }))),
  );
  await scenario("thief with another key", "sends the token as Bearer", async () =>
    refused(await fetch(url, { headers: { authorization: `Bearer ${token.accessToken}` } })),
  );
  await scenario("thief with another key", "has the token, and no proof", async () =>
    refused(await fetch(url, { headers: { authorization: `DPoP ${token.accessToken}` } })),
  );
  await scenario("replayed proof", "is refused", async () => {
    const proof = await prover.makeProof({ htm: "GET", htu: url, accessToken: token.accessToken });
    const first = await send(proof);
    check(first.ok, seenResponse(first));
    return refused(await send(proof));
  });
}

async function atOnce({ scenario, server, signer, keyClient, byKey }: Setting, token: Token): Promise<void> {
  await scenario("200 calls at once", "to the resource", async () => {
    const call = dpopFetch({ prover: await DPoPProver.create(signer), token });
    const responses = await Promise.all(Array.from({ length: 200 }, () => call(`${server.origin}/resource/accounts`)));
    const failed = responses.filter(({ ok }) => !ok).map(seenResponse);
    check(failed.length === 0, `${failed.length} failed: ${failed[0]}`);
    return "200 of 200 with status 200";
  });
  await scenario("200 calls at once", "to the token endpoint, by private_key_jwt", async () => {
    const tokens = await Promise.all(Array.from({ length: 200 }, () => keyClient.clientCredentials(byKey)));
    return `${new Set(tokens.map(({ accessToken }) => accessToken)).size} tokens`;
  });
}
