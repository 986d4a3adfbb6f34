/** `dpopFetch` over a token source: what a refused token leads to, and what it does not. */
import { dpopFetch, type TokenSourceOptions } from "hardproof";
import { afterAll, beforeAll, expect, it } from "vitest";
import { answer, caught, challenge, ok, type StubResource, stubResource } from "../../servers/stub-resource.js";
import { json } from "../../servers/stub-server.js";
import { type StubSource, stubSource } from "../tokens/stub-source.js";

let rs: StubResource;
let as: StubSource;
beforeAll(async () => {
  [rs, as] = await Promise.all([stubResource(), stubSource()]);
});
afterAll(() => Promise.all([rs.close(), as.close()]));

const caller = (options: Partial<TokenSourceOptions> = {}) =>
  dpopFetch({ prover: as.prover, token: as.source(options) });
const tokens = () => rs.server.requests.map(({ headers }) => headers.authorization);
const invalid = challenge("invalid_token");

it("calls with the source's token", async () => {
  as.grants();
  rs.inTurn(ok);
  const call = caller();
  await Promise.all([call(rs.url), call(rs.url)]);
  expect(tokens()).toEqual(["DPoP t1", "DPoP t1"]);
  expect(as.server.requests).toHaveLength(1);
});

it.each([
  ["DPoP", 'DPoP error="invalid_token"'],
  ["Bearer", 'Bearer realm="x", error="invalid_token"'],
])("renews a token that is refused once as invalid_token by a %s challenge", async (_, header) => {
  as.grants();
  rs.inTurn(answer(401, { "www-authenticate": header }), ok);
  expect((await caller()(rs.url, { method: "POST", body: "twice" })).status).toBe(200);
  expect(tokens()).toEqual(["DPoP t1", "DPoP t2"]);
  expect(rs.server.requests.map(({ body }) => body)).toEqual(["twice", "twice"]);
  expect(new Set(rs.proofs().map(({ jti }) => jti)).size).toBe(2);
  expect(rs.proofs()[0]?.ath).not.toBe(rs.proofs()[1]?.ath);
});

it("gives back a refusal for ever after one renewal, and then leaves the token alone for a while", async () => {
  as.grants();
  rs.inTurn(invalid);
  const call = caller({ backoff: { initialDelay: 60_000 } });
  expect((await call(rs.url)).status).toBe(401);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([2, 2]);
  for (let turn = 0; turn < 5; turn++) expect((await call(rs.url)).status).toBe(401);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([7, 2]);
});

it("renews once for many calls that were refused with the same token", async () => {
  as.grants();
  rs.server.respondWith((response, request, turn) =>
    (request.headers.authorization === "DPoP t1" ? invalid : ok)(response, request, turn),
  );
  const call = caller();
  const answers = await Promise.all(Array.from({ length: 10 }, () => call(rs.url)));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(as.server.requests).toHaveLength(2);
});

it("does not renew for another error, or another status", async () => {
  as.grants();
  rs.inTurn(
    challenge("insufficient_scope"),
    answer(403, { "www-authenticate": 'DPoP error="invalid_token"' }),
    answer(401, { "www-authenticate": 'Basic error="invalid_token"' }),
    answer(401),
  );
  const call = caller();
  for (const status of [401, 403, 401, 401]) expect((await call(rs.url)).status).toBe(status);
  expect([rs.server.requests.length, as.server.requests.length]).toEqual([4, 1]);
});

it("meets a nonce, a clock and a token in one call, each once", async () => {
  as.grants();
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

it("fails with the source's error where there is no token, and sends nothing", async () => {
  as.server.respondWith(json(401, { error: "invalid_client" }));
  rs.inTurn(ok);
  expect(await caught(caller()(rs.url))).toMatchObject({ name: "OAuthError", error: "invalid_client" });
  expect(rs.server.requests).toEqual([]);
});

it("does not renew a plain token", async () => {
  rs.inTurn(invalid);
  expect((await rs.caller()(rs.url)).status).toBe(401);
  expect(rs.server.requests).toHaveLength(1);
});
