/** Which challenges `dpopFetch` answers, and how often. */
import { DPoPProver } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { answer, challenge, ok, stubResource } from "../../servers/stub-resource.js";

const told = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = told;
afterAll(() => told.close());

describe("nonces (RFC 9449 §9)", () => {
  it("answers a challenge once, with a fresh proof, and keeps the nonce", async () => {
    inTurn(challenge("use_dpop_nonce", { "dpop-nonce": "n1" }), ok);
    const call = caller();
    expect((await call(url, { method: "POST", body: "twice" })).status).toBe(200);
    await call(url);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n1"]);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(3);
    expect(server.requests.map(({ body }) => body)).toEqual(["twice", "twice", ""]);
  });

  it.each([
    ['Bearer, DPoP error="use_dpop_nonce"', 2],
    ['Bearer realm="x", error="invalid_token", DPoP algs="ES256", error=use_dpop_nonce', 2],
    [['Basic realm="DPoP error=x"', 'dpop error="use_dpop_nonce"'], 2],
    ['Bearer error="use_dpop_nonce"', 1],
    ['Basic realm="DPoP error=\\"use_dpop_nonce\\""', 1],
    ['DPoP algs="ES256"', 1],
  ])("finds the DPoP challenge in %s", async (header, requests) => {
    server.respondWith((response, requests, turn) =>
      (turn === 1 ? answer(401, { "www-authenticate": header, "dpop-nonce": "n" }) : ok)(response, requests, turn),
    );
    await caller()(url);
    expect(server.requests).toHaveLength(requests);
  });

  it("takes a nonce from every answer", async () => {
    inTurn(
      answer(200, { "dpop-nonce": "n1" }),
      answer(500, { "dpop-nonce": "n2" }),
      answer(200, { "dpop-nonce": 'no"t' }),
      ok,
    );
    const call = caller();
    for (let turn = 0; turn < 4; turn++) await call(url);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n2", "n2"]);
  });

  it("gives back a challenge for ever after the second request, a new nonce each time or not", async () => {
    server.respondWith((response, requests, turn) =>
      challenge("use_dpop_nonce", { "dpop-nonce": `n${turn}` })(response, requests, turn),
    );
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(2);
    inTurn(challenge("use_dpop_nonce", { "dpop-nonce": "same" }));
    const call = caller();
    expect([(await call(url)).status, server.requests.length]).toEqual([401, 2]);
    expect([(await call(url)).status, server.requests.length]).toEqual([401, 3]);
  });

  it("does not ask again where the challenge brings no nonce, or is no 401", async () => {
    inTurn(
      challenge("use_dpop_nonce"),
      answer(400, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n" }),
    );
    await caller()(url);
    await caller()(url);
    expect(server.requests).toHaveLength(2);
  });

  it("keeps each origin's nonce for itself", async () => {
    inTurn(answer(200, { "dpop-nonce": "here" }));
    elsewhere.respondWith(answer(200, { "dpop-nonce": "there" }));
    const call = caller();
    for (let turn = 0; turn < 2; turn++) await Promise.all([call(url), call(elsewhere.origin)]);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "here"]);
    expect(elsewhere.requests.map(({ headers }) => decodeJwt(String(headers.dpop)).nonce)).toEqual([
      undefined,
      "there",
    ]);
  });
});

describe("clock skew", () => {
  const refusedAt = (ahead: number) =>
    challenge("invalid_dpop_proof", { date: new Date(Date.now() + ahead * 1000).toUTCString() });
  const ahead = () => proofs().map(({ iat }) => Math.round(((iat ?? 0) - Date.now() / 1000) / 60) + 0);

  it("is corrected by the Date of a server that refused the proof, for all later ones", async () => {
    told.prover = await DPoPProver.generate();
    inTurn(refusedAt(-180), ok);
    expect((await caller()(url)).status).toBe(200);
    await caller()(url);
    expect(ahead()).toEqual([0, -3, -3]);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(3);
  });

  it("is corrected for two calls that were refused side by side", async () => {
    told.prover = await DPoPProver.generate();
    inTurn(refusedAt(180), refusedAt(180), ok);
    const both = await Promise.all([caller()(url), caller()(url)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.each([
    ["is the same", 0],
    ["is not believed", 3600],
  ])("a Date that %s is no reason for a second request", async (_, ahead) => {
    told.prover = await DPoPProver.generate();
    inTurn(refusedAt(ahead));
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(1);
  });

  it("can be turned off, for one fetch or for the prover", async () => {
    inTurn(refusedAt(180));
    await caller({ adjustClock: false })(url);
    await caller({ prover: await DPoPProver.create(told.prover.signer, { maxClockSkew: 0 }) })(url);
    expect(server.requests).toHaveLength(2);
    expect(told.prover.clockOffset).toBe(0);
  });

  it("is answered once in a call, whatever time the server says next", async () => {
    told.prover = await DPoPProver.generate();
    inTurn(refusedAt(100), refusedAt(200), refusedAt(300));
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(2);
  });

  it("goes with one retry for the nonce, and no more", async () => {
    told.prover = await DPoPProver.generate();
    const nonce = (n: string) => challenge("use_dpop_nonce", { "dpop-nonce": n });
    inTurn(nonce("n1"), refusedAt(100), nonce("n2"), ok);
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(3);
  });
});
