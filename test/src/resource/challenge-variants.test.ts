/** Challenges as servers that differ from RFC 9449 §7.1 and §9 send them: Okta, Keycloak, Community Solid Server and others. */
import { DPoPProver, proofSession, Token, type TokenSource } from "hardproof";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { challenge, ok, respond, stubResource } from "../../servers/stub-resource.js";
import { json } from "../../servers/stub-server.js";

const stub = await stubResource();
const { server, url, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());
beforeEach(async () => {
  stub.prover = await DPoPProver.generate();
});

const dateIn = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();
const statusOf = async (options = {}) => (await caller(options)(url)).status;

describe("a DPoP challenge with status 400, as of Okta's API", () => {
  it("is answered with the nonce", async () => {
    inTurn(respond(400, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n1" }), ok);
    expect(await statusOf()).toBe(200);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1"]);
  });

  it("is answered with the server's time", async () => {
    inTurn(respond(400, { "www-authenticate": 'DPoP error="invalid_dpop_proof"', date: dateIn(90) }), ok);
    expect(await statusOf()).toBe(200);
    expect(stub.prover.clockOffsetFor(url)).toBeGreaterThan(80);
  });

  it("isn't seen in a 400 of the application, whatever the server lists", async () => {
    inTurn(respond(400, { "www-authenticate": 'DPoP algs="ES512"', "dpop-nonce": "n1", date: dateIn(90) }));
    expect(await statusOf()).toBe(400);
    expect(server.requests).toHaveLength(1);
    expect(stub.prover.clockOffsetFor(url)).toBe(0);
  });
});

describe("a nonce challenge in the body", () => {
  it.each([
    ["OAuth's format", 401, { error: "use_dpop_nonce", error_description: "…" }],
    ["OAuth's format and status 400", 400, { error: "use_dpop_nonce" }],
    ["an object", 401, { error: { code: "use_dpop_nonce", message: "…" } }],
  ])("is answered with the nonce: %s", async (_, status, body) => {
    inTurn(json(status, body, { "dpop-nonce": "n1" }), ok);
    expect(await statusOf()).toBe(200);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1"]);
  });

  it("isn't answered without a new nonce, and leaves the body to the caller", async () => {
    inTurn(json(401, { error: "use_dpop_nonce" }, { "dpop-nonce": "n1" }));
    const response = await caller()(url);
    expect(await response.json()).toEqual({ error: "use_dpop_nonce" });
    expect(server.requests).toHaveLength(2);
  });

  it("is answered by a session, which gets the body from its caller", async () => {
    const attempt = proofSession({ prover: stub.prover }).request({ method: "GET", url, token: "abc" });
    await attempt.headers();
    const body = { error: "use_dpop_nonce" };
    expect(await attempt.canRetry({ status: 401, headers: { "dpop-nonce": "n1" }, body })).toBe(true);
  });
});

describe("invalid_token because of the proof's time, as of Keycloak", () => {
  it("is answered with the server's time before the token is renewed", async () => {
    inTurn(challenge("invalid_token", { date: dateIn(60) }), ok);
    expect(await statusOf()).toBe(200);
    expect(server.requests).toHaveLength(2);
    expect(stub.prover.clockOffsetFor(url)).toBeGreaterThan(50);
  });

  it("renews the token if the server's time is the same, or didn't help", async () => {
    const { source, renewed } = stubTokens();
    inTurn(challenge("invalid_token", { date: dateIn(0) }), ok);
    expect(await statusOf({ token: source })).toBe(200);
    inTurn(challenge("invalid_token", { date: dateIn(60) }), challenge("invalid_token", { date: dateIn(60) }), ok);
    expect(await statusOf({ token: source })).toBe(200);
    expect(server.requests).toHaveLength(3);
    expect(renewed).toEqual(["t1", "t2"]);
  });

  it("doesn't set the clock under another scheme, or with adjustClock: false", async () => {
    inTurn(respond(401, { "www-authenticate": 'Bearer error="invalid_token"', date: dateIn(60) }));
    expect(await statusOf()).toBe(401);
    inTurn(challenge("invalid_token", { date: dateIn(60) }));
    expect(await statusOf({ adjustClock: false })).toBe(401);
    expect(stub.prover.clockOffsetFor(url)).toBe(0);
  });
});

describe("a 401 without a reason, as of Community Solid Server", () => {
  const bare = (seconds: number) =>
    respond(401, { "www-authenticate": 'Bearer scope="openid webid"', date: dateIn(seconds) });

  it("is answered with the server's time, once, before the token is renewed", async () => {
    const { source, renewed } = stubTokens();
    inTurn(bare(90), ok);
    expect(await statusOf({ token: source, renewOn401: true })).toBe(200);
    expect(stub.prover.clockOffsetFor(url)).toBeGreaterThan(80);
    expect(renewed).toEqual([]);
    inTurn(bare(90));
    expect(await statusOf({ token: source })).toBe(401);
    expect(server.requests).toHaveLength(1);
  });

  it("isn't answered if the server's time is the same, or adjustClock is false", async () => {
    inTurn(bare(0));
    expect(await statusOf()).toBe(401);
    inTurn(bare(90));
    expect(await statusOf({ adjustClock: false })).toBe(401);
    expect(stub.prover.clockOffsetFor(url)).toBe(0);
  });
});

describe("renewOn401", () => {
  it.each([
    ["without a challenge", {}],
    ["with a challenge without an error", { "www-authenticate": 'Bearer scope="openid webid"' }],
    ["with another error", { "www-authenticate": 'DPoP error="expired"' }],
  ])("renews the token after a 401 %s, once per call", async (_, headers: Record<string, string>) => {
    const { source, renewed } = stubTokens();
    inTurn(respond(401, headers), ok);
    expect(await statusOf({ token: source, renewOn401: true })).toBe(200);
    inTurn(respond(401, headers));
    expect(await statusOf({ token: source, renewOn401: true })).toBe(401);
    expect(server.requests).toHaveLength(2);
    expect(renewed).toEqual(["t1", "t2"]);
  });

  it.each(["use_dpop_nonce", "invalid_dpop_proof", "insufficient_scope", "insufficient_user_authentication"])(
    "doesn't renew the token after %s",
    async (error) => {
      const { source, renewed } = stubTokens();
      inTurn(challenge(error));
      expect(await statusOf({ token: source, renewOn401: true })).toBe(401);
      expect(renewed).toEqual([]);
    },
  );

  it("is off by default, and doesn't apply to other statuses", async () => {
    const { source, renewed } = stubTokens();
    inTurn(respond(401));
    expect(await statusOf({ token: source })).toBe(401);
    inTurn(respond(403));
    expect(await statusOf({ token: source, renewOn401: true })).toBe(403);
    expect(renewed).toEqual([]);
  });

  it("is an option of a session, too", async () => {
    const { source } = stubTokens();
    const session = proofSession({ prover: stub.prover, renewOn401: true });
    const attempt = session.request({ method: "GET", url, token: source });
    await attempt.headers();
    expect(await attempt.canRetry({ status: 401, headers: {} })).toBe(true);
    expect((await attempt.headers()).authorization).toBe("DPoP t2");
  });
});

/** A source of the tokens t1, t2, … */
function stubTokens() {
  const renewed: string[] = [];
  const tokenOf = () => new Token({}, `t${renewed.length + 1}`);
  const source: TokenSource = {
    token: async () => tokenOf(),
    renew: async (rejected) => {
      renewed.push(String(rejected));
      return tokenOf();
    },
  };
  return { source, renewed };
}
