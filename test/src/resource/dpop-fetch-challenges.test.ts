/** Which challenges `dpopFetch` retries after, and how often. */
import { DPoPProver } from "hardproof";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { challenge, errorOf, ok, respond, stubResource } from "../../servers/stub-resource.js";

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
    ['Bearer error="use_dpop_nonce"', 2],
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

  it("doesn't retry after a challenge without a nonce, or a status other than 400 and 401", async () => {
    inTurn(
      challenge("use_dpop_nonce"),
      respond(403, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n" }),
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
    expect(stub.prover.clockOffsetFor(server.origin)).toBe(0);
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

describe("the algorithms that a challenge lists (RFC 9449 §7.1)", () => {
  const rejected = (error: string, algs: string) =>
    respond(401, { "www-authenticate": `DPoP ${error && `error="${error}", `}algs="${algs}"`, "dpop-nonce": "n" });
  const names = () => server.requests.map(({ headers }) => decodeProtectedHeader(String(headers.dpop)).alg);

  it("says EdDSA to a server that lists only the older name, also in later calls, and only to that server", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    inTurn(rejected("invalid_dpop_proof", "ES256 EdDSA"), ok);
    elsewhere.respondWith(ok);
    const call = caller();
    expect((await call(url)).status).toBe(200);
    await call(url);
    await call(elsewhere.origin);
    expect(names()).toEqual(["Ed25519", "EdDSA", "EdDSA"]);
    expect(decodeProtectedHeader(String(elsewhere.requests[0]?.headers.dpop)).alg).toBe("Ed25519");
  });

  it("changes the name in the retry after a nonce challenge", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    inTurn(rejected("use_dpop_nonce", "EdDSA"), ok);
    expect((await caller()(url)).status).toBe(200);
    expect(names()).toEqual(["Ed25519", "EdDSA"]);
  });

  it("accepts a list that is separated by commas", async () => {
    stub.prover = await DPoPProver.generate();
    inTurn(rejected("invalid_dpop_proof", "RS256,ES256, ES384"));
    expect((await caller()(url)).status).toBe(401);
  });

  it("changes the name of two concurrent calls", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    inTurn(rejected("invalid_dpop_proof", "EdDSA"), rejected("invalid_dpop_proof", "EdDSA"), ok);
    const call = caller();
    const both = await Promise.all([call(url), call(url)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });

  it("changes the name once per call, whatever the server lists next", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    server.respondWith((response, request, turn) =>
      rejected("invalid_dpop_proof", turn % 2 ? "EdDSA" : "Ed25519")(response, request, turn),
    );
    expect((await caller()(url)).status).toBe(401);
    expect(names()).toEqual(["Ed25519", "EdDSA"]);
  });

  it("keeps the current name for a server that lists both", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    inTurn(rejected("invalid_dpop_proof", "EdDSA Ed25519"), ok);
    expect((await caller()(url)).status).toBe(401);
    expect(names()).toEqual(["Ed25519"]);
  });

  it.each(["invalid_dpop_proof", ""])(
    "rejects with an error that names both if the list lacks the key's algorithm (error %o)",
    async (error) => {
      stub.prover = await DPoPProver.generate("ES384");
      inTurn(rejected(error, "ES256 PS256"));
      expect(await errorOf(caller()(url))).toMatchObject({
        name: "DPoPError",
        code: "misconfigured",
        message: `${url} doesn't support proofs with ES384. It supports: ES256, PS256. Use a key for one of them.`,
      });
      expect(server.requests).toHaveLength(1);
    },
  );

  it("tries the nonce first, since a list may be incomplete, and rejects after the second challenge", async () => {
    stub.prover = await DPoPProver.generate("ES384");
    inTurn(rejected("use_dpop_nonce", "ES256"), ok);
    expect((await caller()(url)).status).toBe(200);
    inTurn(rejected("use_dpop_nonce", "ES256"), rejected("invalid_dpop_proof", "ES256"));
    expect(await errorOf(caller()(url))).toMatchObject({ code: "misconfigured" });
    expect(server.requests).toHaveLength(2);
  });

  it("returns the response if the token is invalid, which a list doesn't explain", async () => {
    stub.prover = await DPoPProver.generate("ES384");
    inTurn(rejected("invalid_token", "ES256"));
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(1);
  });

  it("ignores an empty list, and the parameters of other schemes", async () => {
    stub.prover = await DPoPProver.generate("ES384");
    inTurn(
      rejected("invalid_dpop_proof", ""),
      respond(401, { "www-authenticate": 'Bearer algs="ES256", DPoP error="invalid_dpop_proof"' }),
    );
    expect((await caller()(url)).status).toBe(401);
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(2);
  });
});
