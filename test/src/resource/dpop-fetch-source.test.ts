/** `dpopFetch` with a token source: when a rejected token is renewed. */
import { dpopFetch } from "hardproof";
import { afterAll, beforeAll, expect, it } from "vitest";
import { challenge, errorOf, ok, respond, type StubResource, stubResource } from "../../servers/stub-resource.js";
import { json } from "../../servers/stub-server.js";
import { type SourceOptions, type StubSource, stubSource } from "../tokens/stub-source.js";

let rs: StubResource;
let as: StubSource;
beforeAll(async () => {
  [rs, as] = await Promise.all([stubResource(), stubSource()]);
});
afterAll(() => Promise.all([rs.close(), as.close()]));

const caller = (options: SourceOptions = {}) => dpopFetch({ prover: as.prover, token: as.source(options) });
const tokens = () => rs.server.requests.map(({ headers }) => headers.authorization);
const invalid = challenge("invalid_token");

it("sends the token of the source", async () => {
  as.issueTokens();
  rs.inTurn(ok);
  const call = caller();
  await Promise.all([call(rs.url), call(rs.url)]);
  expect(tokens()).toEqual(["DPoP t1", "DPoP t1"]);
  expect(as.server.requests).toHaveLength(1);
});

it.each([
  ["DPoP", 'DPoP error="invalid_token"'],
  ["Bearer", 'Bearer realm="x", error="invalid_token"'],
])("renews a token once that is rejected by invalid_token in a %s challenge", async (_, header) => {
  as.issueTokens();
  rs.inTurn(respond(401, { "www-authenticate": header }), ok);
  expect((await caller()(rs.url, { method: "POST", body: "twice" })).status).toBe(200);
  expect(tokens()).toEqual(["DPoP t1", "DPoP t2"]);
  expect(rs.server.requests.map(({ body }) => body)).toEqual(["twice", "twice"]);
  expect(new Set(rs.proofs().map(({ jti }) => jti)).size).toBe(2);
  expect(rs.proofs()[0]?.ath).not.toBe(rs.proofs()[1]?.ath);
});

it("returns the response if the renewed token is rejected too, and then backs off from renewing", async () => {
  as.issueTokens();
  rs.inTurn(invalid);
  const call = caller({ backoff: { initialDelay: 60_000 } });
  expect((await call(rs.url)).status).toBe(401);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([2, 2]);
  for (let turn = 0; turn < 5; turn++) expect((await call(rs.url)).status).toBe(401);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([7, 2]);
});

it("renews a token once for many calls that were rejected with it", async () => {
  as.issueTokens();
  rs.server.respondWith((response, request, turn) =>
    (request.headers.authorization === "DPoP t1" ? invalid : ok)(response, request, turn),
  );
  const call = caller();
  const responses = await Promise.all(Array.from({ length: 10 }, () => call(rs.url)));
  expect(responses.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(as.server.requests).toHaveLength(2);
});

it("doesn't renew the token for another error or status", async () => {
  as.issueTokens();
  rs.inTurn(
    challenge("insufficient_scope"),
    respond(403, { "www-authenticate": 'DPoP error="invalid_token"' }),
    respond(401, { "www-authenticate": 'Basic error="invalid_token"' }),
    respond(401),
  );
  const call = caller();
  for (const status of [401, 403, 401, 401]) expect((await call(rs.url)).status).toBe(status);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([4, 1]);
});

it("retries one call for a nonce, the clock and the token, once each", async () => {
  as.issueTokens();
  const date = new Date(Date.now() - 100_000).toUTCString();
  rs.inTurn(
    challenge("use_dpop_nonce", { "dpop-nonce": "n1" }),
    challenge("invalid_dpop_proof", { date }),
    invalid,
    challenge("use_dpop_nonce", { "dpop-nonce": "n2" }),
    ok,
  );
  expect((await caller()(rs.url)).status).toBe(401);
  expect(rs.server.requests).toHaveLength(4);
  expect(new Set(rs.proofs().map(({ jti }) => jti)).size).toBe(4);
});

it("throws the source's error without sending the call", async () => {
  as.server.respondWith(json(401, { error: "invalid_client" }));
  rs.inTurn(ok);
  expect(await errorOf(caller()(rs.url))).toMatchObject({ name: "OAuthError", error: "invalid_client" });
  expect(rs.server.requests).toEqual([]);
});

it("doesn't retry with a fixed token that was rejected", async () => {
  rs.inTurn(invalid);
  expect((await rs.caller()(rs.url)).status).toBe(401);
  expect(rs.server.requests).toHaveLength(1);
});
