/** The test authorization server itself, called by jose without this project's code. */
import { randomUUID } from "node:crypto";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer } from "./authorization-server.js";
import { type Agent, asNonce, changedByte, joseAgent, parseResponse, tokenClaims, tokenRequest } from "./jose-agent.js";

const notices = [vi.spyOn(console, "warn"), vi.spyOn(console, "info")];
let as: AuthorizationServer;
let agent: Agent;

beforeAll(async () => {
  as = await authorizationServer();
  agent = await joseAgent();
});

afterAll(async () => {
  await as.close();
  for (const notice of notices) expect(notice.mock.calls).toEqual([]);
});

describe("authorization server", () => {
  it("challenges for a nonce, then issues a bound JWT", async () => {
    const challenged = await tokenRequest(as, await agent.proof(tokenClaims(as)));
    expect(challenged).toMatchObject({
      status: 400,
      body: { error: "use_dpop_nonce" },
      nonce: expect.stringMatching(/./),
    });

    const granted = await tokenRequest(as, await agent.proof(tokenClaims(as, challenged.nonce)), { scope: "read" });
    expect(granted).toMatchObject({ status: 200, body: { token_type: "DPoP", scope: "read" } });
    expect(granted.body).not.toHaveProperty("cnf");
    expect(decodeJwt(granted.body.access_token ?? "")).toMatchObject({
      iss: as.issuer,
      aud: as.audience,
      client_id: as.client.clientId,
      cnf: { jkt: agent.jkt },
    });
    expect(as.requests.at(-1)).toMatchObject({
      method: "POST",
      url: "/oauth/token",
      status: 200,
      body: expect.stringContaining("grant_type=client_credentials&client_id=agent&client_secret="),
      headers: { dpop: expect.stringMatching(/^ey/) },
    });
  });

  it("rejects a replayed proof", async () => {
    const proof = await agent.proof(tokenClaims(as, await asNonce(as, agent)));
    expect(await tokenRequest(as, proof)).toMatchObject({ status: 200 });
    expect(await tokenRequest(as, proof)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("detects replays and rejects old nonces after rotating its nonces", async () => {
    const nonce = await asNonce(as, agent);
    const used = randomUUID();
    const first = await agent.proof({ ...tokenClaims(as, nonce), jti: used });
    expect(await tokenRequest(as, first)).toMatchObject({ status: 200 });
    as.rotateNonces();

    const stale = await tokenRequest(as, await agent.proof(tokenClaims(as, nonce)));
    expect(stale).toMatchObject({ status: 400, body: { error: "use_dpop_nonce" } });
    expect(stale.nonce).not.toBe(nonce);
    const again = await tokenRequest(as, await agent.proof({ ...tokenClaims(as, stale.nonce), jti: used }));
    expect(again).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect(await tokenRequest(as, await agent.proof(tokenClaims(as, stale.nonce)))).toMatchObject({ status: 200 });
  });

  it.each([
    ["wrong htm", { htm: "GET" }],
    ["wrong htu", { htu: "http://127.0.0.1:1/oauth/token" }],
  ])("rejects a proof with %s", async (_, invalid) => {
    const proof = await agent.proof({ ...tokenClaims(as, await asNonce(as, agent)), ...invalid });
    expect(await tokenRequest(as, proof)).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it.each([0, 1, 2])("rejects a proof with a changed byte in part %i", async (part) => {
    const proof = changedByte(await agent.proof(tokenClaims(as, await asNonce(as, agent))), part);
    expect(await tokenRequest(as, proof)).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it("authenticates a client by percent-encoded Basic credentials", async () => {
    const { clientId, clientSecret } = as.clients.basic;
    const basic = [clientId, clientSecret].map(encodeURIComponent).join(":");
    const response = await fetch(as.tokenEndpoint, {
      method: "POST",
      headers: {
        Authorization: `Basic ${btoa(basic)}`,
        DPoP: await agent.proof(tokenClaims(as, await asNonce(as, agent))),
      },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    });
    expect(await parseResponse(response)).toMatchObject({ status: 200 });
  });

  it("serves pushed requests, device codes, introspection and revocation", async () => {
    const { clientId: client_id, clientSecret: client_secret } = as.client;
    const post = (path: string, form: Record<string, string>) =>
      fetch(as.issuer + path, { method: "POST", body: new URLSearchParams({ client_id, client_secret, ...form }) });
    const code = { response_type: "code", redirect_uri: "http://127.0.0.1/callback" };
    expect(await (await post("/oauth/par", code)).json()).toHaveProperty("request_uri");
    expect(await (await post("/oauth/device", {})).json()).toHaveProperty("user_code");
    expect(await (await post("/oauth/introspect", { token: "unknown" })).json()).toEqual({ active: false });
    expect((await post("/oauth/revoke", { token: "unknown" })).status).toBe(200);
  });

  it("accepts a proof without a nonce if nonces aren't required, and offers one in the response", async () => {
    await using lenient = await authorizationServer({ requireNonce: false });
    const proof = await agent.proof(tokenClaims(lenient));
    expect(await tokenRequest(lenient, proof)).toMatchObject({ status: 200, nonce: expect.stringMatching(/./) });
  });
});
