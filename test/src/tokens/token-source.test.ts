/** When a token source requests a token, and which token it returns until then. */
import { inspect } from "node:util";
import {
  DPoPProver,
  type dpopFetch,
  memoryTokenStore,
  OAuthError,
  SignerError,
  type Token,
  type TokenSource,
  tokenSource,
} from "hardproof";
import { afterAll, afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { json, type Responder } from "../../servers/stub-server.js";
import { setTime, stubSource, tokenResponse, until } from "./stub-source.js";

const { server, source, issueTokens, close } = await stubSource();
afterAll(close);
beforeEach(() => setTime(0));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const accessTokenOf = async (tokens: TokenSource) => (await tokens.token()).accessToken;
const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const grantTypes = () => server.requests.map(({ form }) => form.get("grant_type"));

describe("token()", () => {
  it("returns a Token, and is accepted by dpopFetch", () => {
    expectTypeOf<TokenSource["token"]>().returns.toEqualTypeOf<Promise<Token>>();
    expectTypeOf(tokenSource).returns.toExtend<Parameters<typeof dpopFetch>[0]["token"]>();
  });

  it("shares one token request among concurrent callers and caches the token", async () => {
    issueTokens();
    const tokens = source();
    const all = await Promise.all(Array.from({ length: 20 }, () => accessTokenOf(tokens)));
    expect(new Set(all)).toEqual(new Set(["t1"]));
    setTime(500);
    expect(await accessTokenOf(tokens)).toBe("t1");
    expect(server.requests).toHaveLength(1);
  });

  it("continues the token request for the other callers when one aborts", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    server.respondWith((response, request, turn) => {
      controller.abort(reason);
      tokenResponse("t1")(response, request, turn);
    });
    const tokens = source();
    const first = errorOf(tokens.token({ signal: controller.signal }));
    const second = accessTokenOf(tokens);
    expect(await first).toBe(reason);
    expect(await second).toBe("t1");
    expect(server.requests).toHaveLength(1);
    expect(await errorOf(source().token({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it("renews a token in the background shortly before it expires, and returns the current one until then", async () => {
    issueTokens();
    const tokens = source({ margin: 60 });
    await accessTokenOf(tokens);
    setTime(539);
    await accessTokenOf(tokens);
    expect(server.requests).toHaveLength(1);
    setTime(541);
    expect([await accessTokenOf(tokens), await accessTokenOf(tokens)]).toEqual(["t1", "t1"]);
    await until(() => server.requests.length === 2);
    await until(async () => (await accessTokenOf(tokens)) !== "t1");
    expect(await accessTokenOf(tokens)).toBe("t2");
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    [0, 541],
    [0.5, 511],
    [1, 481],
  ])("renews a token earlier by a random part of the margin: %d of it", async (random, at) => {
    vi.spyOn(Math, "random").mockReturnValue(random);
    issueTokens();
    const tokens = source({ margin: 60, jitter: 1 });
    await accessTokenOf(tokens);
    setTime(at - 2);
    await accessTokenOf(tokens);
    expect(server.requests).toHaveLength(1);
    setTime(at);
    await accessTokenOf(tokens);
    await until(() => server.requests.length === 2);
  });

  it("renews a short-lived token only in its last quarter", async () => {
    issueTokens({ expires_in: 20 });
    const tokens = source({ margin: 60 });
    await accessTokenOf(tokens);
    setTime(14);
    await accessTokenOf(tokens);
    expect(server.requests).toHaveLength(1);
  });

  it("waits for a new token once the current one has expired, even if it expired at once", async () => {
    issueTokens({ expires_in: 10 });
    const tokens = source();
    await accessTokenOf(tokens);
    setTime(11);
    expect(await accessTokenOf(tokens)).toBe("t2");
    issueTokens({ expires_in: 0 });
    const expired = source();
    expect([await accessTokenOf(expired), await accessTokenOf(expired)]).toEqual(["t1", "t2"]);
  });

  it("keeps a token without a lifetime", async () => {
    issueTokens({});
    const tokens = source();
    await accessTokenOf(tokens);
    setTime(1e9);
    expect(await accessTokenOf(tokens)).toBe("t1");
  });

  it.each([{ margin: -1 }, { margin: Number.NaN }, { jitter: 2 }, { jitter: -1 }])(
    "rejects the options %j",
    (options) => {
      expect(() => source(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
    },
  );
});

describe("a refresh token (RFC 6749 §6)", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v", resource: "https://r" } };

  it("replaces the grant by the refresh token, and uses the newest refresh token", async () => {
    server.respondWith((response, request, turn) =>
      tokenResponse(`t${turn}`, { expires_in: 10, ...(turn === 2 ? {} : { refresh_token: `r${turn}` }) })(
        response,
        request,
        turn,
      ),
    );
    const tokens = source({ ...login, scope: "read" });
    for (const time of [0, 11, 22, 33]) {
      setTime(time);
      await accessTokenOf(tokens);
    }
    expect(grantTypes()).toEqual(["authorization_code", "refresh_token", "refresh_token", "refresh_token"]);
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual([null, "r1", "r1", "r3"]);
    expect(server.requests[1]?.body).toBe(
      "grant_type=refresh_token&client_id=my-agent&client_secret=s3cr3t-of-the-agent&resource=https%3A%2F%2Fr&refresh_token=r1",
    );
  });

  it("starts with a refresh token, or with a token from the caller", async () => {
    issueTokens({ expires_in: 10 });
    expect(await accessTokenOf(source({ grantType: "refresh_token", extra: { refresh_token: "r0" } }))).toBe("t1");
    expect(server.requests[0]?.form.get("refresh_token")).toBe("r0");
    server.respondWith(tokenResponse("initial", { expires_in: 10, refresh_token: "r1" }));
    const token = await source().token();
    issueTokens();
    const tokens = source({ ...login, token });
    expect(await accessTokenOf(tokens)).toBe("initial");
    setTime(11);
    expect(await accessTokenOf(tokens)).toBe("t1");
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual(["r1"]);
  });

  const rejectRefresh = () =>
    server.respondWith((response, request, turn) =>
      request.form.has("refresh_token")
        ? json(400, { error: "invalid_grant", error_description: "revoked" })(response, request, turn)
        : tokenResponse(`t${turn}`, { expires_in: 10, refresh_token: `r${turn}` })(response, request, turn),
    );

  it("repeats the grant after a rejected refresh token, if it is repeatable", async () => {
    rejectRefresh();
    const tokens = source();
    await accessTokenOf(tokens);
    setTime(11);
    expect(await accessTokenOf(tokens)).toBe("t3");
    expect(grantTypes()).toEqual(["client_credentials", "refresh_token", "client_credentials"]);
  });

  it("throws after a rejected refresh token if the grant isn't repeatable, and doesn't send it again", async () => {
    rejectRefresh();
    const tokens = source(login);
    await accessTokenOf(tokens);
    setTime(11);
    expect(await errorOf(tokens.token())).toMatchObject({ error: "invalid_grant", errorDescription: "revoked" });
    setTime(1000);
    expect(await errorOf(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(grantTypes()).toEqual(["authorization_code", "refresh_token"]);
  });

  it("can't renew a token without a refresh token unless the grant is repeatable", async () => {
    issueTokens({ expires_in: 10 });
    const tokens = source(login);
    await accessTokenOf(tokens);
    setTime(11);
    expect(await errorOf(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(server.requests).toHaveLength(1);
    setTime(0);
    const repeated = source({ grantType: "urn:ietf:params:oauth:grant-type:token-exchange", repeatable: true });
    await accessTokenOf(repeated);
    setTime(11);
    expect(await accessTokenOf(repeated)).toBe("t3");
  });
});

describe("a refresh token that can't be used", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };

  it("doesn't resend a rejected refresh token if the store has no newer one", async () => {
    const store = memoryTokenStore();
    let grantsLeft = 2;
    server.respondWith((response, request, turn) => {
      if (request.form.has("refresh_token")) return json(400, { error: "invalid_grant" })(response, request, turn);
      const refreshToken = grantsLeft-- === 2 ? { refresh_token: "r1" } : {};
      return tokenResponse(`t${turn}`, { expires_in: 10, ...refreshToken })(response, request, turn);
    });
    const [one, other] = [source({ store }), source({ store })];
    expect([await accessTokenOf(one), await accessTokenOf(other)]).toEqual(["t1", "t1"]);
    setTime(11);
    expect(await accessTokenOf(other)).toBe("t3");
    setTime(22);
    expect(await accessTokenOf(one)).toBe("t5");
    expect(grantTypes().slice(3)).toEqual(["refresh_token", "client_credentials"]);
  });

  it.each(["unauthorized_client", "unsupported_grant_type", "invalid_request"])(
    "repeats only a repeatable grant if refreshing fails with %s",
    async (error) => {
      const rejectRefresh = () =>
        server.respondWith((response, request, turn) =>
          request.form.has("refresh_token")
            ? json(400, { error })(response, request, turn)
            : tokenResponse(`t${turn}`, { expires_in: 10, refresh_token: "refresh-token" })(response, request, turn),
        );
      rejectRefresh();
      const tokens = source();
      await accessTokenOf(tokens);
      setTime(11);
      expect(await accessTokenOf(tokens)).toBe("t3");
      setTime(0);
      rejectRefresh();
      const once = source(login);
      await accessTokenOf(once);
      setTime(11);
      expect(await errorOf(once.token())).toMatchObject({ error });
      expect(grantTypes()).toEqual(["authorization_code", "refresh_token"]);
    },
  );

  it("ignores an empty refresh token", async () => {
    issueTokens({ expires_in: 10, refresh_token: "" });
    const tokens = source();
    expect((await tokens.token()).refreshToken).toBeNull();
    setTime(11);
    expect(await accessTokenOf(tokens)).toBe("t2");
    expect(grantTypes()).toEqual(["client_credentials", "client_credentials"]);
  });

  it("sends the caller's scope and extra fields with each refresh if refresh_token is the grant", async () => {
    issueTokens({ expires_in: 10, refresh_token: "r1" });
    const extra = { refresh_token: "r0", resource: "https://r", audience: "a" };
    const tokens = source({ grantType: "refresh_token", scope: "read", extra });
    await accessTokenOf(tokens);
    setTime(11);
    await accessTokenOf(tokens);
    for (const [index, { form }] of server.requests.entries())
      expect(Object.fromEntries(form)).toMatchObject({ ...extra, scope: "read", refresh_token: `r${index}` });
  });
});

describe("a grant that can't be repeated", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };

  it.each<[string, Responder]>([
    ["a lost response", (response) => void response.destroy()],
    ["a token of a different key", tokenResponse("t", { cnf: { jkt: "other" } })],
    ["a 503", json(503, { error: "temporarily_unavailable" })],
  ])("doesn't send a grant that isn't repeatable again after %s", async (_, responder) => {
    server.respondWith(responder);
    const tokens = source({ ...login, backoff: { initialDelay: 1 } });
    expect(await errorOf(tokens.token())).toBeInstanceOf(OAuthError);
    setTime(1000);
    expect(await errorOf(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(server.requests).toHaveLength(1);
  });

  it("sends a grant that isn't repeatable once the key can sign again", async () => {
    issueTokens();
    const prover = await DPoPProver.generate();
    const signing = vi
      .spyOn(prover, "makeProof")
      .mockRejectedValueOnce(new SignerError("unavailable", "The key store failed."));
    const tokens = source({ ...login, prover, backoff: { initialDelay: 1 } });
    expect(await errorOf(tokens.token())).toMatchObject({ name: "SignerError" });
    setTime(1000);
    expect(await accessTokenOf(tokens)).toBe("t1");
    expect(signing).toHaveBeenCalledTimes(2);
  });
});

it("counts the lifetime of the caller's token from its response, not from its first use", async () => {
  server.respondWith(tokenResponse("initial", { expires_in: 10 }));
  const token = await source().token();
  issueTokens();
  const [early, late] = [source({ token }), source({ token })];
  setTime(9);
  expect(await accessTokenOf(early)).toBe("initial");
  setTime(11);
  expect([await accessTokenOf(early), await accessTokenOf(late)]).toEqual(["t1", "t2"]);
});

describe("a failed token request", () => {
  const failRequests = () => server.respondWith(json(503, { error: "temporarily_unavailable" }));

  it("repeats the error without a request until the backoff is over", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    failRequests();
    const tokens = source();
    const error = await errorOf(tokens.token());
    expect(error).toBeInstanceOf(OAuthError);
    for (const [time, requests] of [
      [0.9, 1],
      [1.1, 2],
      [3, 2],
      [3.2, 3],
      [7.1, 3],
      [7.3, 4],
    ] as const) {
      setTime(time);
      await errorOf(tokens.token());
      expect(server.requests).toHaveLength(requests);
    }
    issueTokens();
    setTime(1000);
    expect(await accessTokenOf(tokens)).toBe("t1");
  });

  it("measures the backoff by monotonic time, even if the wall clock is set back", async () => {
    setTime(3600);
    failRequests();
    const tokens = source();
    await errorOf(tokens.token());
    issueTokens();
    setTime(0);
    setTime(2);
    expect(await accessTokenOf(tokens)).toBe("t1");
  });

  it("shares one failed request and its error among concurrent callers", async () => {
    failRequests();
    const tokens = source();
    const errors = await Promise.all(Array.from({ length: 10 }, () => errorOf(tokens.token())));
    expect(new Set(errors).size).toBe(1);
    expect(await errorOf(tokens.token())).toBe(errors[0]);
    expect(server.requests).toHaveLength(1);
  });

  it("returns a valid token after a failed renewal, and backs off in the background", async () => {
    issueTokens();
    const tokens = source({ backoff: { initialDelay: 10_000 } });
    await accessTokenOf(tokens);
    failRequests();
    setTime(550);
    expect(await accessTokenOf(tokens)).toBe("t1");
    await until(() => server.requests.length === 1);
    for (let turn = 0; turn < 50; turn++) expect(await accessTokenOf(tokens)).toBe("t1");
    expect(server.requests).toHaveLength(1);
    setTime(601);
    expect(await errorOf(tokens.token())).toMatchObject({ statusCode: 503 });
  });

  it("waits as long as Retry-After requires, but at most one minute", async () => {
    server.respondWith(json(429, { error: "slow_down" }, { "retry-after": "30" }));
    const tokens = source();
    await errorOf(tokens.token());
    setTime(29);
    await errorOf(tokens.token());
    expect(server.requests).toHaveLength(1);
    server.respondWith(json(429, { error: "slow_down" }, { "retry-after": "86400" }));
    setTime(31);
    await errorOf(tokens.token());
    issueTokens();
    setTime(31 + 61);
    expect(await accessTokenOf(tokens)).toBe("t1");
  });

  it("doesn't show secrets in its errors", async () => {
    server.respondWith((response, { body }) => response.writeHead(400).end(body));
    const tokens = source({ grantType: "refresh_token", extra: { refresh_token: "long-lived" } });
    expect(inspect([await errorOf(tokens.token()), tokens], { depth: 10, showHidden: true })).not.toMatch(
      /s3cr3t|long-lived/,
    );
  });
});

describe("renew()", () => {
  it("replaces a rejected token once for all its callers", async () => {
    issueTokens();
    const tokens = source();
    const old = await tokens.token();
    const all = await Promise.all([
      tokens.renew(old),
      tokens.renew(old.accessToken),
      tokens.renew(old),
      tokens.token(),
    ]);
    expect(all.map(({ accessToken }) => accessToken)).toEqual(["t2", "t2", "t2", "t2"]);
    expect((await tokens.renew(old)).accessToken).toBe("t2");
    expect(server.requests).toHaveLength(2);
  });

  it("backs off if each new token is rejected too", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    issueTokens();
    const tokens = source();
    let current = await tokens.token();
    for (const [time, requests] of [
      [0, 2],
      [0.9, 2],
      [1.1, 3],
      [2.9, 3],
      [3.2, 4],
    ] as const) {
      setTime(time);
      current = await tokens.renew(current);
      expect(server.requests).toHaveLength(requests);
    }
  });

  it("doesn't return a rejected token again, even if there is no new one", async () => {
    issueTokens();
    const tokens = source();
    const old = await tokens.token();
    server.respondWith(json(400, { error: "invalid_client" }));
    expect(await errorOf(tokens.renew(old))).toMatchObject({ error: "invalid_client" });
    expect(await errorOf(tokens.token())).toMatchObject({ error: "invalid_client" });
    expect(server.requests).toHaveLength(1);
  });
});
