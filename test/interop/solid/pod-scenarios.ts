/** Requests to a pod at Community Solid Server: paths, replays, thieves, wrong clocks, and tokens that end. */
import { DPoPProver, dpopFetch, OAuthClient, type Token, tokenSource } from "hardproof";
import { recordedFetch } from "../recorded-fetch.js";
import { check, TheirFault } from "../scenario.js";
import { responseLine } from "../seen.js";
import { withClock } from "../wrong-clock.js";
import { LIFETIME } from "./server.js";
import type { SolidSetting } from "./setting.js";

/** Runs the scenarios. */
export async function podScenarios(setting: SolidSetting): Promise<void> {
  await resources(setting);
  await oddPaths(setting);
  await rejectedProofs(setting);
  await wrongClocks(setting);
  await endedToken(setting);
}

/** A `fetch` as the user, whose token is renewed. */
function podFetch({ client, agent }: SolidSetting, options: object = {}): typeof fetch {
  const { dpopProver: prover, ...grant } = agent;
  return dpopFetch({
    prover,
    token: tokenSource({ client, prover, grantType: "client_credentials", ...grant }),
    ...options,
  });
}

const put = { method: "PUT", headers: { "content-type": "text/plain" }, body: "Signed by a token." };

async function resources(setting: SolidSetting): Promise<void> {
  const { scenario, server } = setting;
  const { pod } = server.user;
  await scenario("protected resource", "writes, reads, patches and deletes a resource", async () => {
    const call = podFetch(setting);
    const url = `${pod}note.ttl`;
    const turtle = { "content-type": "text/turtle" };
    const patch = { "content-type": "application/sparql-update" };
    const statuses = [
      await call(url, { method: "PUT", headers: turtle, body: "<#a> <#b> <#c> ." }),
      await call(url),
      await call(url, { method: "PATCH", headers: patch, body: "INSERT DATA { <#d> <#e> <#f> }" }),
      await call(url, { method: "DELETE" }),
      await fetch(url),
    ].map(({ status }) => status);
    check(statuses.join() === "201,200,205,205,401", `statuses ${statuses}`);
    return `PUT, GET, PATCH, DELETE: ${statuses.slice(0, 4).join(", ")}; without a token ${statuses[4]}`;
  });
  await scenario("200 calls at once", "all succeed, with one token", async () => {
    const recorded = recordedFetch();
    const counting = await OAuthClient.discover(server.issuer, { fetch: recorded.fetch });
    recorded.statuses();
    const call = podFetch({ ...setting, client: counting });
    await call(`${pod}many.txt`, put);
    const responses = await Promise.all(Array.from({ length: 200 }, () => call(`${pod}many.txt`)));
    const failed = responses.filter(({ ok }) => !ok).length;
    check(failed === 0, `${failed} calls failed`);
    const { length } = recorded.requests;
    check(length === 1, `${length} token requests`);
    return "200 × 200, one token request";
  });
}

const ACCEPTED = ["a%20b", "a|b", "a^b", "a%7Cb", "(a)", "a'b", "ä", "a%2Fb", "a?x=1", "~a", "a*!"];
const RESERVED = ["a:b@c", "a;b=c", "a+b", "a$b,c&d"];
const OTHERS = ["[a]", "%7Ea", "a%61", "a%5bb", "a%c3%a4"];

async function oddPaths(setting: SolidSetting): Promise<void> {
  const { scenario, server } = setting;
  const { pod } = server.user;
  const refusedBy = async (call: typeof fetch, paths: readonly string[]) => {
    const refused = [];
    for (const path of paths) if (!(await call(pod + path, put)).ok) refused.push(path);
    return refused;
  };
  await scenario("odd paths", "takes characters that a URL can't have, and encoded ones", async () => {
    const refused = await refusedBy(podFetch(setting), ACCEPTED);
    check(refused.length === 0, `refused: ${refused.join(" ")}`);
    return ACCEPTED.join(" ");
  });
  await scenario("odd paths", "takes delimiters, and other spellings of the same path", async () => {
    const refused = await refusedBy(podFetch(setting), [...RESERVED, ...OTHERS]);
    if (refused.length > 0)
      throw new TheirFault(
        `refuses ${refused.join(" ")} by 401: it compares htu with its own spelling of the path (RFC 9449 §4.3, RFC 3986 §2.2 and §6.2.2).`,
      );
    return "all accepted";
  });
  await scenario("odd paths", "takes them if the option htu has the server's spelling", async () => {
    const refused = await refusedBy(podFetch(setting, { htu: spelledBySolid }), [...RESERVED, ...OTHERS]);
    check(refused.length === 0, `refused: ${refused.join(" ")}`);
    return "all accepted";
  });
}

/** The URL as the server spells it: it encodes all that `encodeURIComponent` encodes. */
function spelledBySolid(url: URL): string {
  const segments = url.pathname.split("/").map((segment) => encodeURIComponent(decodeURIComponent(segment)));
  return url.origin + segments.join("/");
}

async function rejectedProofs(setting: SolidSetting): Promise<void> {
  const { scenario, server, client, agent, thief } = setting;
  const { dpopProver: prover } = agent;
  const url = `${server.user.pod}many.txt`;
  const token = await client.clientCredentials(agent);
  const send = (dpop: string, { accessToken } = token) =>
    fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop } });
  const proofBy = (by: DPoPProver, { accessToken }: Token = token) =>
    by.makeProof({ htm: "GET", htu: url, accessToken });
  const refused = async (response: Response) => {
    check(response.status === 401, await responseLine(response.clone()));
    return responseLine(response);
  };
  await scenario("replayed proof", "is refused", async () => {
    const proof = await proofBy(prover);
    check((await send(proof)).ok, "the first use is refused");
    const second = await send(proof);
    if (second.ok) throw new TheirFault("accepts a proof a second time (RFC 9449 §11.1).");
    return refused(second);
  });
  await scenario("thief with another key", "is refused", async () => refused(await send(await proofBy(thief))));
  await scenario("thief with another key", "is refused without a proof", async () =>
    refused(await fetch(url, { headers: { authorization: `Bearer ${token.accessToken}` } })),
  );
  await scenario("refusals", "the proof of another token", async () => {
    const other = await client.clientCredentials(agent);
    return refused(await send(await proofBy(prover, other)));
  });
}

/** The pod takes proofs that are at most 240 seconds old, or 120 seconds early. */
async function wrongClocks({ scenario, server, agent }: SolidSetting): Promise<void> {
  for (const seconds of [60, -60, 500, -500]) {
    const clock = `a clock ${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
    await scenario("wrong clock", `${clock}: a token request and a call to the pod`, async () => {
      const recorded = recordedFetch();
      const client = await OAuthClient.discover(server.issuer, { fetch: recorded.fetch });
      recorded.statuses();
      // A prover remembers a corrected clock, so the token request and the call get one each.
      const newProver = () => DPoPProver.create(agent.dpopProver.signer);
      return withClock(seconds, async () => {
        const token = await client.clientCredentials({ ...agent, dpopProver: await newProver() });
        const requested = recorded.statuses();
        const call = dpopFetch({ prover: await newProver(), token, fetch: recorded.fetch });
        const response = await call(`${server.user.pod}many.txt`);
        const seen = `token ${requested}; pod ${recorded.statuses()}`;
        check(response.ok, `${seen}: ${await responseLine(response)}`);
        return seen;
      });
    });
  }
}

/** The pod takes a token until 120 seconds after its end. */
async function endedToken(setting: SolidSetting): Promise<void> {
  const { scenario, server } = setting;
  const url = `${server.user.pod}many.txt`;
  await scenario("token that ended", "is replaced in mid-use, with renewOn401", async () => {
    const recorded = recordedFetch();
    const call = podFetch(setting, { fetch: recorded.fetch, renewOn401: true });
    await call(url);
    await server.setClock(LIFETIME + 130);
    const response = await call(url);
    const statuses = recorded.statuses();
    check(response.ok && statuses === "200, 401, 200", `statuses ${statuses}`);
    return `statuses ${statuses}, without invalid_token in the challenge`;
  });
  await server.setClock(0);
}
