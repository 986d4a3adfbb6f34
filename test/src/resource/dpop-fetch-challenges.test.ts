/** Which challenges `dpopFetch` retries after, and how often. */
import { DPoPProver } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { challenge, ok, respond, stubResource } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());

describe("nonces (RFC 9449 §9)", () => {
  it("retries once with a new proof after a nonce challenge, and caches the nonce", async () => {
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
  ])("recognises the DPoP challenge in %s", async (header, requests) => {
    server.respondWith((response, request, turn) =>
      (turn === 1 ? respond(401, { "www-authenticate": header, "dpop-nonce": "n" }) : ok)(response, request, turn),
    );
    await caller()(url);
    expect(server.requests).toHaveLength(requests);
  });

  it("caches nonces from every response, and ignores malformed ones", async () => {
    inTurn(
      respond(200, { "dpop-nonce": "n1" }),
      respond(500, { "dpop-nonce": "n2" }),
      respond(200, { "dpop-nonce": 'no"t' }),
      ok,
    );
    const call = caller();
    for (let turn = 0; turn < 4; turn++) await call(url);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n2", "n2"]);
  });

  it("returns the second nonce challenge of a call, with a new nonce or the same", async () => {
    server.respondWith((response, request, turn) =>
      challenge("use_dpop_nonce", { "dpop-nonce": `n${turn}` })(response, request, turn),
    );
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(2);
    inTurn(challenge("use_dpop_nonce", { "dpop-nonce": "same" }));
    const call = caller();
    expect([(await call(url)).status, server.requests.length]).toEqual([401, 2]);
    expect([(await call(url)).status, server.requests.length]).toEqual([401, 3]);
  });

  it("doesn't retry after a challenge without a nonce, or a status other than 401", async () => {
    inTurn(
      challenge("use_dpop_nonce"),
      respond(400, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n" }),
    );
    await caller()(url);
    await caller()(url);
    expect(server.requests).toHaveLength(2);
  });

  it("doesn't send the nonce of one origin to another", async () => {
    inTurn(respond(200, { "dpop-nonce": "here" }));
    elsewhere.respondWith(respond(200, { "dpop-nonce": "there" }));
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
  const rejectedAt = (seconds: number) =>
    challenge("invalid_dpop_proof", { date: new Date(Date.now() + seconds * 1000).toUTCString() });
  const minutesAhead = () => proofs().map(({ iat }) => Math.round(((iat ?? 0) - Date.now() / 1000) / 60) + 0);

  it("corrects the clock of all later proofs by the Date of a server that rejected one", async () => {
    stub.prover = await DPoPProver.generate();
    inTurn(rejectedAt(-180), ok);
    expect((await caller()(url)).status).toBe(200);
    await caller()(url);
    expect(minutesAhead()).toEqual([0, -3, -3]);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(3);
  });

  it("retries two concurrent calls after correcting the clock", async () => {
    stub.prover = await DPoPProver.generate();
    inTurn(rejectedAt(180), rejectedAt(180), ok);
    const both = await Promise.all([caller()(url), caller()(url)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.each([
    ["is the same", 0],
    ["differs too much", 3600],
  ])("doesn't retry if the server's Date %s", async (_, seconds) => {
    stub.prover = await DPoPProver.generate();
    inTurn(rejectedAt(seconds));
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(1);
  });

  it("doesn't correct the clock with adjustClock: false or maxClockSkew: 0", async () => {
    inTurn(rejectedAt(180));
    await caller({ adjustClock: false })(url);
    await caller({ prover: await DPoPProver.create(stub.prover.signer, { maxClockSkew: 0 }) })(url);
    expect(server.requests).toHaveLength(2);
    expect(stub.prover.clockOffset).toBe(0);
  });

  it("corrects the clock once per call, even if the server's time changes again", async () => {
    stub.prover = await DPoPProver.generate();
    inTurn(rejectedAt(100), rejectedAt(200), rejectedAt(300));
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(2);
  });

  it("retries once for the clock and once for the nonce in one call", async () => {
    stub.prover = await DPoPProver.generate();
    const nonce = (n: string) => challenge("use_dpop_nonce", { "dpop-nonce": n });
    inTurn(nonce("n1"), rejectedAt(100), nonce("n2"), ok);
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(3);
  });
});
