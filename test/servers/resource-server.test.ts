/** The test resource server and its two verifiers, called by jose without this project's code. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "./authorization-server.js";
import {
  type Agent,
  asNonce,
  ath,
  boundToken,
  changedByte,
  joseAgent,
  type ProofClaims,
  parseResponse,
  tokenRequest,
} from "./jose-agent.js";
import { type ResourceServer, resourceServer } from "./resource-server.js";

let as: AuthorizationServer;
let rs: ResourceServer;
let agent: Agent;
let attacker: Agent;

beforeAll(async () => {
  as = await authorizationServer();
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  agent = await joseAgent();
  attacker = await joseAgent();
});

afterAll(async () => {
  await rs.close();
  await as.close();
});

describe.each(["oauth4webapi", "express-oauth2-jwt-bearer"] as const)("resource server by %s", (verifiedBy) => {
  const url = () => (verifiedBy === "oauth4webapi" ? rs.url : rs.expressUrl);

  async function call(proof: string | undefined, token: string, { scheme = "DPoP", method = "GET", query = "" } = {}) {
    const headers = { Authorization: `${scheme} ${token}`, ...(proof !== undefined && { DPoP: proof }) };
    return parseResponse(await fetch(url() + query, { method, headers, ...(method === "POST" && { body: "text" }) }));
  }

  async function claimsFor(token: string, htm = "GET"): Promise<ProofClaims & { ath: string; nonce: string }> {
    const claims = { htm, htu: url(), ath: ath(token) };
    const { nonce } = await call(await agent.proof(claims), token, { method: htm });
    return { ...claims, nonce };
  }

  it("challenges for its nonce, then accepts any method", async () => {
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
  ])("rejects a proof with %s", async (_, invalid) => {
    const token = await boundToken(as, agent);
    const response = await call(await agent.proof({ ...(await claimsFor(token)), ...invalid }), token);
    expect(response).toMatchObject({ status: 401, body: { error: "invalid_dpop_proof" } });
    expect(response.challenge).toMatch(/^DPoP error="invalid_dpop_proof"/);
  });

  it("rejects a stale nonce", async () => {
    const token = await boundToken(as, agent);
    const claims = await claimsFor(token);
    rs.rotateNonce();
    const response = await call(await agent.proof(claims), token);
    expect(response).toMatchObject({ status: 401, body: { error: "use_dpop_nonce" } });
    expect(await call(await agent.proof({ ...claims, nonce: response.nonce }), token)).toMatchObject({ status: 200 });
  });

  it.each([0, 1, 2])("rejects a changed byte in part %i of the proof, then accepts the original once", async (part) => {
    const token = await boundToken(as, agent);
    const proof = await agent.proof(await claimsFor(token));
    const response = await call(changedByte(proof, part), token);
    expect(response.status).toBe(401);
    expect(response.body.error).toMatch(/invalid_dpop_proof|invalid_token|use_dpop_nonce/);
    expect(await call(proof, token)).toMatchObject({ status: 200 });
    const replayed = await call(proof, token);
    expect(replayed).toMatchObject({ status: 401, body: { error: "invalid_dpop_proof" } });
    expect(replayed.body.error_description).toMatch(/replayed/);
  });

  it.each([0, 1, 2])("rejects a changed byte in part %i of the token", async (part) => {
    const token = changedByte(await boundToken(as, agent), part);
    const response = await call(await agent.proof(await claimsFor(token)), token);
    expect(response).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("rejects a token for another audience", async () => {
    const token = await boundToken(as, agent, { resource: "https://elsewhere.example/" });
    const response = await call(await agent.proof(await claimsFor(token)), token);
    expect(response).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("rejects a token that isn't bound to a key", async () => {
    const { body } = await tokenRequest(as, undefined);
    expect(body.token_type).toBe("Bearer");
    const token = body.access_token ?? "";
    const response = await call(await agent.proof(await claimsFor(token)), token);
    expect(response).toMatchObject({ status: 401, body: { error: "invalid_token" } });
  });

  it("rejects an attacker with the token and a different key", async () => {
    const token = await boundToken(as, agent);
    const response = await call(await attacker.proof(await claimsFor(token)), token);
    expect(response.status).toBe(401);
    expect(response.body.error_description).toMatch(/confirmation mismatch/);
    expect(response.challenge).toMatch(/^DPoP error="invalid_token"/);
  });

  it("rejects an attacker who presents the agent's public key and signs with a different one", async () => {
    const token = await boundToken(as, agent);
    const claims = await claimsFor(token);
    const [header] = (await agent.proof(claims)).split(".");
    const [, payload, signature] = (await attacker.proof(claims)).split(".");
    expect(await call([header, payload, signature].join("."), token)).toMatchObject({ status: 401 });
  });

  it.each(["DPoP", "Bearer"])(
    "rejects an attacker with the token but without a proof, with the scheme %s",
    async (scheme) => {
      const response = await call(undefined, await boundToken(as, agent), { scheme });
      expect(response.status).toBe(401);
      expect(response.challenge).toMatch(/^DPoP /);
    },
  );

  it("rejects the Bearer scheme even with a valid proof", async () => {
    const token = await boundToken(as, agent);
    const response = await call(await agent.proof(await claimsFor(token)), token, { scheme: "Bearer" });
    expect(response.status).toBe(401);
    expect(response.body.error_description).toMatch(/Bearer|scheme/);
  });

  it("challenges a request without credentials", async () => {
    const response = await parseResponse(await fetch(url()));
    expect(response).toMatchObject({ status: 401, challenge: expect.stringMatching(/^DPoP /) });
  });
});

it("accepts a proof without a nonce if nonces aren't required", async () => {
  await using lenient = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
  const token = await boundToken(as, agent);
  for (const htu of [lenient.url, lenient.expressUrl]) {
    const proof = await agent.proof({ htm: "GET", htu, ath: ath(token) });
    const response = await fetch(htu, { headers: { Authorization: `DPoP ${token}`, DPoP: proof } });
    expect(await parseResponse(response)).toMatchObject({ status: 200, nonce: "" });
  }
});
