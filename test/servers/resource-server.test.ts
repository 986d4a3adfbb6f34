/** Two verifiers by others judged by an agent of plain jose: challenge, token, resource; and every thief turned away. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "./authorization-server.js";
import {
  type Agent,
  answered,
  asNonce,
  ath,
  boundToken,
  changedByte,
  joseAgent,
  type ProofClaims,
  tokenRequest,
} from "./jose-agent.js";
import { type ResourceServer, resourceServer } from "./resource-server.js";

let as: AuthorizationServer;
let rs: ResourceServer;
let agent: Agent;
let thief: Agent;

beforeAll(async () => {
  as = await authorizationServer();
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  agent = await joseAgent();
  thief = await joseAgent();
});

afterAll(async () => {
  await rs.close();
  await as.close();
});

describe.each(["oauth4webapi", "express-oauth2-jwt-bearer"] as const)("resource server by %s", (verifiedBy) => {
  const url = () => (verifiedBy === "oauth4webapi" ? rs.url : rs.expressUrl);

  async function call(proof: string | undefined, token: string, { scheme = "DPoP", method = "GET", query = "" } = {}) {
    const headers = { Authorization: `${scheme} ${token}`, ...(proof !== undefined && { DPoP: proof }) };
    return answered(await fetch(url() + query, { method, headers, ...(method === "POST" && { body: "text" }) }));
  }

  async function claimsFor(token: string, htm = "GET"): Promise<ProofClaims & { ath: string; nonce: string }> {
    const claims = { htm, htu: url(), ath: ath(token) };
    const { nonce } = await call(await agent.proof(claims), token, { method: htm });
    return { ...claims, nonce };
  }

  it("challenges for its own nonce, then says hello to any method", async () => {
    const token = await boundToken(as, agent);
    const challenged = await call(await agent.proof({ htm: "GET", htu: url(), ath: ath(token) }), token);
    expect(challenged).toMatchObject({ status: 401, body: { error: "use_dpop_nonce" } });
    expect(challenged.challenge).toContain('DPoP error="use_dpop_nonce"');
    expect(challenged.nonce).not.toBe(await asNonce(as, agent));

    for (const method of ["GET", "POST", "PUT"]) {
      const proof = await agent.proof(await claimsFor(token, method));
      const { status, body } = await call(proof, token, { method, query: "?a=b" });
      expect([status, body]).toEqual([200, { hello: "agent", jkt: agent.jkt, verifiedBy }]);
    }
    expect(rs.requests.at(-3)).toMatchObject({
      method: "POST",
      url: expect.stringMatching(/\?a=b$/),
      body: "text",
      status: 200,
    });
  });

  it.each([
    ["wrong htm", { htm: "POST" }],
    ["wrong htu", { htu: "http://127.0.0.1:1/resource" }],
    ["wrong ath", { ath: ath("another") }],
    ["an iat of an hour ago", { iat: Math.floor(Date.now() / 1000) - 3600 }],
  ])("refuses a proof with %s", async (_, wrong) => {
    const token = await boundToken(as, agent);
    const refused = await call(await agent.proof({ ...(await claimsFor(token)), ...wrong }), token);
    expect(refused).toMatchObject({ status: 401, body: { error: "invalid_dpop_proof" } });
    expect(refused.challenge).toMatch(/^DPoP error="invalid_dpop_proof"/);
  });

  it("refuses a nonce that has gone stale", async () => {
    const token = await boundToken(as, agent);
    const claims = await claimsFor(token);
    rs.rotateNonce();
    const refused = await call(await agent.proof(claims), token);
    expect(refused).toMatchObject({ status: 401, body: { error: "use_dpop_nonce" } });
    expect(await call(await agent.proof({ ...claims, nonce: refused.nonce }), token)).toMatchObject({ status: 200 });
  });

  it.each([0, 1, 2])(
    "refuses a changed byte in part %i of the proof, and then takes the right one, once",
    async (part) => {
      const token = await boundToken(as, agent);
      const proof = await agent.proof(await claimsFor(token));
      const refused = await call(changedByte(proof, part), token);
      expect(refused.status).toBe(401);
      expect(refused.body.error).toMatch(/invalid_dpop_proof|invalid_token|use_dpop_nonce/);
      expect(await call(proof, token)).toMatchObject({ status: 200 });
      const replayed = await call(proof, token);
      expect(replayed).toMatchObject({ status: 401, body: { error: "invalid_dpop_proof" } });
      expect(replayed.body.error_description).toMatch(/replayed/);
    },
  );

  it.each([0, 1, 2])("refuses a changed byte in part %i of the token", async (part) => {
    const token = changedByte(await boundToken(as, agent), part);
    const refused = await call(await agent.proof(await claimsFor(token)), token);
    expect(refused).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("refuses a token for another audience", async () => {
    const token = await boundToken(as, agent, { resource: "https://elsewhere.example/" });
    const refused = await call(await agent.proof(await claimsFor(token)), token);
    expect(refused).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("refuses a token that is bound to no key", async () => {
    const { body } = await tokenRequest(as, undefined);
    expect(body.token_type).toBe("Bearer");
    const token = body.access_token ?? "";
    const refused = await call(await agent.proof(await claimsFor(token)), token);
    expect(refused).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("turns a thief away who has the token and a key of his own", async () => {
    const token = await boundToken(as, agent);
    const refused = await call(await thief.proof(await claimsFor(token)), token);
    expect(refused.status).toBe(401);
    expect(refused.body.error_description).toMatch(/confirmation mismatch/);
    expect(refused.challenge).toMatch(/^DPoP error="invalid_token"/);
  });

  it("turns a thief away who shows the agent's public key and signs with his own", async () => {
    const token = await boundToken(as, agent);
    const claims = await claimsFor(token);
    const [header] = (await agent.proof(claims)).split(".");
    const [, payload, signature] = (await thief.proof(claims)).split(".");
    expect(await call([header, payload, signature].join("."), token)).toMatchObject({ status: 401 });
  });

  it.each(["DPoP", "Bearer"])("turns a thief away who has the token and no proof, by scheme %s", async (scheme) => {
    const refused = await call(undefined, await boundToken(as, agent), { scheme });
    expect(refused.status).toBe(401);
    expect(refused.challenge).toMatch(/^DPoP /);
  });

  it("turns away the Bearer scheme, whatever the proof", async () => {
    const token = await boundToken(as, agent);
    const refused = await call(await agent.proof(await claimsFor(token)), token, { scheme: "Bearer" });
    expect(refused.status).toBe(401);
    expect(refused.body.error_description).toMatch(/Bearer|scheme/);
  });

  it("asks for credentials where there are none", async () => {
    const refused = await answered(await fetch(url()));
    expect(refused).toMatchObject({ status: 401, challenge: expect.stringMatching(/^DPoP /) });
  });
});

it("a resource server without required nonces takes a first proof", async () => {
  await using lenient = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
  const token = await boundToken(as, agent);
  for (const htu of [lenient.url, lenient.expressUrl]) {
    const proof = await agent.proof({ htm: "GET", htu, ath: ath(token) });
    const response = await fetch(htu, { headers: { Authorization: `DPoP ${token}`, DPoP: proof } });
    expect(await answered(response)).toMatchObject({ status: 200, nonce: "" });
  }
});
