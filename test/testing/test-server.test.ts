/** The servers of `hardproof/testing`: what they issue, reject, record and are told to do wrong. */
import { createHash, randomUUID } from "node:crypto";
import { ALGORITHM_NAMES, type DiscoverOptions, DPoPProver, dpopFetch, OAuthClient } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { type TestServerOptions, testServer } from "hardproof/testing";
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, it } from "vitest";

/** Gets a token from a new server. */
async function withToken(options?: TestServerOptions) {
  const server = await testServer(options);
  const prover = await DPoPProver.generate();
  const client = await OAuthClient.discover(server.issuer);
  const token = await client.clientCredentials({ dpopProver: prover, ...server.client, scope: "read" });
  return { server, prover, client, token, [Symbol.asyncDispose]: server.close };
}

describe("an agent", () => {
  it("gets a token that is bound to its key, and calls the resource with it", async () => {
    await using agent = await withToken();
    const { server, prover, token } = agent;
    expect(token).toMatchObject({ cnfJkt: prover.jkt, scope: "read" });
    expect(decodeJwt(token.accessToken)).toMatchObject({ iss: server.issuer, client_id: "agent" });
    const response = await dpopFetch({ prover, token })(server.resource, { method: "POST", body: "x" });
    expect([response.status, await response.json()]).toEqual([200, { hello: "agent", jkt: prover.jkt }]);
  });

  it("is asked for a nonce by each server, once, and again when the nonces are rotated", async () => {
    await using agent = await withToken();
    const { server, prover, token } = agent;
    const call = dpopFetch({ prover, token });
    await call(server.resource);
    await call(server.resource);
    server.rotateNonces();
    await call(server.resource);
    const results = server.requests.map(({ operation, result, error }) => [operation, result, error]);
    expect(results).toEqual([
      ["metadata", 200, undefined],
      ["token", 400, "use_dpop_nonce"],
      ["token", 200, undefined],
      ["resource", 401, "use_dpop_nonce"],
      ["resource", 200, undefined],
      ["resource", 200, undefined],
      ["resource", 401, "use_dpop_nonce"],
      ["resource", 200, undefined],
    ]);
  });

  it("isn't asked for a nonce if the server requires none", async () => {
    await using agent = await withToken({ requireNonce: false });
    const { server, prover, token } = agent;
    await dpopFetch({ prover, token })(server.resource);
    expect(server.requests.map(({ result }) => result)).toEqual([200, 200, 200]);
  });

  it("is found by a client that only knows the resource", async () => {
    await using server = await testServer();
    const metadata = `${new URL(server.resource).origin}/.well-known/oauth-protected-resource/resource`;
    expect(await (await fetch(metadata)).json()).toMatchObject({
      resource: server.resource,
      authorization_servers: [server.issuer],
    });
  });

  it.each(["private_key_jwt", "client_secret_basic", "client_secret_post"] as const)(
    "authenticates by %s, and another agent doesn't",
    async (method) => {
      const signer = MemorySigner.generate({ algorithm: "PS256" });
      const isKey = method === "private_key_jwt";
      await using server = await testServer({ clientKeys: isKey ? [await signer.publicJwk()] : [] });
      const { clientId, clientSecret } = server.client;
      const dpopProver = await DPoPProver.generate();
      const request = async (own: boolean) => {
        const key = own ? signer : MemorySigner.generate({ algorithm: "PS256" });
        const clientAuth = isKey ? { method, signer: key } : method;
        const client = await OAuthClient.discover(server.issuer, { clientAuth } as DiscoverOptions);
        const secret = isKey ? {} : { clientSecret: own ? clientSecret : "wrong" };
        return client.clientCredentials({ dpopProver, clientId, ...secret });
      };
      expect(await request(true)).toMatchObject({ cnfJkt: dpopProver.jkt });
      await expect(request(false)).rejects.toMatchObject({ code: "refused", error: "invalid_client" });
    },
  );

  it.each(ALGORITHM_NAMES.filter((alg) => !alg.startsWith("ML-DSA")))("signs its proofs with %s", async (algorithm) => {
    await using server = await testServer({ requireNonce: false });
    const prover = await DPoPProver.create(MemorySigner.generate({ algorithm }));
    const { client: credentials } = server;
    const client = new OAuthClient({ baseUrl: server.issuer });
    const token = await client.clientCredentials({ dpopProver: prover, ...credentials });
    expect((await dpopFetch({ prover, token })(server.resource)).status).toBe(200);
  });
});

describe("a thief", () => {
  it("is rejected with another key", async () => {
    await using agent = await withToken();
    const response = await agent.server.callAsThief(agent.token.accessToken);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error_description: "The token is bound to another key." });
  });

  it("is rejected without a proof, or with the token as a bearer token", async () => {
    await using agent = await withToken();
    for (const scheme of ["DPoP", "Bearer"]) {
      const headers = { authorization: `${scheme} ${agent.token.accessToken}` };
      expect((await fetch(agent.server.resource, { headers })).status).toBe(401);
    }
  });

  it("is rejected with a proof of the agent that was used before", async () => {
    await using agent = await withToken({ requireNonce: false });
    const { server, prover, token } = agent;
    const { accessToken } = token;
    const dpop = await prover.makeProof({ htm: "GET", htu: server.resource, accessToken });
    const headers = { authorization: `DPoP ${accessToken}`, dpop };
    expect((await fetch(server.resource, { headers })).status).toBe(200);
    const replayed = await fetch(server.resource, { headers });
    expect(await replayed.json()).toMatchObject({ error: "invalid_dpop_proof", error_description: /used before/ });
  });
});

describe("a proof that isn't quite right", () => {
  const now = () => Math.floor(Date.now() / 1000);
  it.each<[string, (proof: Parts) => void, RegExp]>([
    ["has another type", ({ header }) => Object.assign(header, { typ: "jwt" }), /^typ/],
    ["has another member in its header", ({ header }) => Object.assign(header, { kid: "1" }), /^The header must have/],
    ["contains the private key", ({ header }) => Object.assign(header.jwk, { d: "AA" }), /^jwk must not/],
    ["contains another key", ({ other, header }) => Object.assign(header, { jwk: other }), /^The signature/],
    ["has no jti", ({ claims }) => Object.assign(claims, { jti: undefined }), /^jti/],
    ["has a jti that can be guessed", ({ claims }) => Object.assign(claims, { jti: "1" }), /^jti/],
    ["is for another method", ({ claims }) => Object.assign(claims, { htm: "POST" }), /^htm/],
    ["has a method in lower case", ({ claims }) => Object.assign(claims, { htm: "get" }), /^htm/],
    ["is for another URL", ({ claims }) => Object.assign(claims, { htu: `${claims.htu}/x` }), /^htu/],
    ["has a query in its URL", ({ claims }) => Object.assign(claims, { htu: `${claims.htu}?x` }), /^htu/],
    ["is too old", ({ claims }) => Object.assign(claims, { iat: now() - 120 }), /^iat.* 12\d s old/],
    ["is from the future", ({ claims }) => Object.assign(claims, { iat: now() + 120 }), /^iat.*-1[12]\d s old/],
    ["has fractional seconds", ({ claims }) => Object.assign(claims, { iat: now() + 0.5 }), /^iat/],
    ["has no time", ({ claims }) => Object.assign(claims, { iat: undefined }), /^iat/],
    ["is for another token", ({ claims }) => Object.assign(claims, { ath: "x" }), /^ath/],
    ["has no ath", ({ claims }) => Object.assign(claims, { ath: undefined }), /^ath/],
  ])("is rejected if it %s", async (_, change, message) => {
    await using agent = await withToken({ requireNonce: false });
    const { server, token } = agent;
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = await exportJWK(publicKey);
    const other = await exportJWK((await generateKeyPair("ES256")).publicKey);
    const ath = createHash("sha256").update(token.accessToken).digest("base64url");
    const claims = { jti: randomUUID(), htm: "GET", htu: server.resource, iat: now(), ath };
    const parts: Parts = { header: { typ: "dpop+jwt", alg: "ES256", jwk: { ...jwk } }, claims, other };
    change(parts);
    const dpop = await new SignJWT(parts.claims).setProtectedHeader(parts.header).sign(privateKey);
    const headers = { authorization: `DPoP ${token.accessToken}`, dpop };
    const response = await fetch(server.resource, { headers });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error_description: expect.stringMatching(message) });
    expect(await calculateJwkThumbprint(jwk)).not.toBe(token.cnfJkt);
  });

  it.each(["", "a.b.c", "bnVsbA.bnVsbA.", "eyJ9.e30."])("is rejected if it is %j", async (dpop) => {
    await using agent = await withToken({ requireNonce: false });
    const headers = { authorization: `DPoP ${agent.token.accessToken}`, dpop };
    const response = await fetch(agent.server.resource, { headers });
    expect([response.status, await response.json()]).toMatchObject([401, { error: "invalid_dpop_proof" }]);
  });
});

interface Parts {
  header: { typ: string; alg: string; jwk: object };
  claims: Record<string, unknown>;
  other: object;
}

describe("the plan", () => {
  it("fails requests as ordered, and then answers", async () => {
    await using agent = await withToken({ requireNonce: false });
    const { server, prover, token } = agent;
    server.plan.next("resource", "throttle", "5xx", "reset");
    const call = dpopFetch({ prover, token });
    const results = [];
    for (let n = 0; n < 4; n += 1)
      results.push(
        await call(server.resource).then(
          ({ status }) => status,
          () => "reset",
        ),
      );
    expect(results).toEqual([429, 503, "reset", 200]);
    expect(server.requests.slice(-4).map(({ result }) => result)).toEqual(
      ["throttle", "5xx", "reset", 200].map((fault, n) => [429, 503][n] ?? fault),
    );
  });

  it("lets a request hang until the client gives up", async () => {
    await using agent = await withToken({ requireNonce: false });
    agent.server.plan.next("resource", "hang");
    const { prover, token } = agent;
    const signal = AbortSignal.timeout(200);
    await expect(dpopFetch({ prover, token })(agent.server.resource, { signal })).rejects.toThrow();
  });
});
