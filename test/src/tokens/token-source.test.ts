/** When a token source asks for a token, and what it gives out meanwhile. */
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
import { granted, setTime, stubSource, until } from "./stub-source.js";

const { server, source, grants, close } = await stubSource();
afterAll(close);
beforeEach(() => setTime(0));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const given = async (tokens: TokenSource) => (await tokens.token()).accessToken;
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const grantTypes = () => server.requests.map(({ form }) => form.get("grant_type"));

describe("a token", () => {
  it("has the types that are promised", () => {
    expectTypeOf<TokenSource["token"]>().returns.toEqualTypeOf<Promise<Token>>();
    expectTypeOf(tokenSource).returns.toExtend<Parameters<typeof dpopFetch>[0]["token"]>();
  });

  it("is got once, for all who wait for it, and kept", async () => {
    grants();
    const tokens = source();
    const all = await Promise.all(Array.from({ length: 20 }, () => given(tokens)));
    expect(new Set(all)).toEqual(new Set(["t1"]));
    setTime(500);
    expect(await given(tokens)).toBe("t1");
    expect(server.requests).toHaveLength(1);
  });

  it("is not lost to the others when one gives up waiting", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    server.respondWith((response, request, turn) => {
      controller.abort(reason);
      granted("t1")(response, request, turn);
    });
    const tokens = source();
    const first = failure(tokens.token({ signal: controller.signal }));
    const second = given(tokens);
    expect(await first).toBe(reason);
    expect(await second).toBe("t1");
    expect(server.requests).toHaveLength(1);
    expect(await failure(source().token({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it("is renewed in the background once its end is near, while it is still given out", async () => {
    grants();
    const tokens = source({ margin: 60 });
    await given(tokens);
    setTime(539);
    await given(tokens);
    expect(server.requests).toHaveLength(1);
    setTime(541);
    expect([await given(tokens), await given(tokens)]).toEqual(["t1", "t1"]);
    await until(() => server.requests.length === 2);
    await until(async () => (await given(tokens)) !== "t1");
    expect(await given(tokens)).toBe("t2");
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    [0, 541],
    [0.5, 511],
    [1, 481],
  ])("is renewed earlier by a part of the margin at random: %d of it", async (random, at) => {
    vi.spyOn(Math, "random").mockReturnValue(random);
    grants();
    const tokens = source({ margin: 60, jitter: 1 });
    await given(tokens);
    setTime(at - 2);
    await given(tokens);
    expect(server.requests).toHaveLength(1);
    setTime(at);
    await given(tokens);
    await until(() => server.requests.length === 2);
  });

  it("that lives shortly is renewed in its last quarter, not with each call", async () => {
    grants({ expires_in: 20 });
    const tokens = source({ margin: 60 });
    await given(tokens);
    setTime(14);
    await given(tokens);
    expect(server.requests).toHaveLength(1);
  });

  it("is waited for once the old one has ended, also where it ended at once", async () => {
    grants({ expires_in: 10 });
    const tokens = source();
    await given(tokens);
    setTime(11);
    expect(await given(tokens)).toBe("t2");
    grants({ expires_in: 0 });
    const ended = source();
    expect([await given(ended), await given(ended)]).toEqual(["t1", "t2"]);
  });

  it("that says no end is kept", async () => {
    grants({});
    const tokens = source();
    await given(tokens);
    setTime(1e9);
    expect(await given(tokens)).toBe("t1");
  });

  it.each([{ margin: -1 }, { margin: Number.NaN }, { jitter: 2 }, { jitter: -1 }])("refuses %j", (options) => {
    expect(() => source(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });
});

describe("a refresh token (RFC 6749 §6)", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v", resource: "https://r" } };

  it("takes the grant's place, and is replaced by the one that comes with the answer", async () => {
    server.respondWith((response, request, turn) =>
      granted(`t${turn}`, { expires_in: 10, ...(turn === 2 ? {} : { refresh_token: `r${turn}` }) })(
        response,
        request,
        turn,
      ),
    );
    const tokens = source({ ...login, scope: "read" });
    for (const time of [0, 11, 22, 33]) {
      setTime(time);
      await given(tokens);
    }
    expect(grantTypes()).toEqual(["authorization_code", "refresh_token", "refresh_token", "refresh_token"]);
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual([null, "r1", "r1", "r3"]);
    expect(server.requests[1]?.body).toBe(
      "grant_type=refresh_token&client_id=my-agent&client_secret=s3cr3t-of-the-agent&resource=https%3A%2F%2Fr&refresh_token=r1",
    );
  });

  it("can be what there is from the start, or come with a token from elsewhere", async () => {
    grants({ expires_in: 10 });
    expect(await given(source({ grantType: "refresh_token", extra: { refresh_token: "r0" } }))).toBe("t1");
    expect(server.requests[0]?.form.get("refresh_token")).toBe("r0");
    server.respondWith(granted("mine", { expires_in: 10, refresh_token: "r1" }));
    const token = await source().token();
    grants();
    const tokens = source({ ...login, token });
    expect(await given(tokens)).toBe("mine");
    setTime(11);
    expect(await given(tokens)).toBe("t1");
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual(["r1"]);
  });

  const refusingRefresh = () =>
    server.respondWith((response, request, turn) =>
      request.form.has("refresh_token")
        ? json(400, { error: "invalid_grant", error_description: "revoked" })(response, request, turn)
        : granted(`t${turn}`, { expires_in: 10, refresh_token: `r${turn}` })(response, request, turn),
    );

  it("that is refused gives way to the grant, where that can be repeated", async () => {
    refusingRefresh();
    const tokens = source();
    await given(tokens);
    setTime(11);
    expect(await given(tokens)).toBe("t3");
    expect(grantTypes()).toEqual(["client_credentials", "refresh_token", "client_credentials"]);
  });

  it("that is refused is an error, where the grant can't be repeated, and is not tried again", async () => {
    refusingRefresh();
    const tokens = source(login);
    await given(tokens);
    setTime(11);
    expect(await failure(tokens.token())).toMatchObject({ error: "invalid_grant", errorDescription: "revoked" });
    setTime(1000);
    expect(await failure(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(grantTypes()).toEqual(["authorization_code", "refresh_token"]);
  });

  it("that does not come ends a grant that can't be repeated, unless that is said", async () => {
    grants({ expires_in: 10 });
    const tokens = source(login);
    await given(tokens);
    setTime(11);
    expect(await failure(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(server.requests).toHaveLength(1);
    setTime(0);
    const repeated = source({ grantType: "urn:ietf:params:oauth:grant-type:token-exchange", repeatable: true });
    await given(repeated);
    setTime(11);
    expect(await given(repeated)).toBe("t3");
  });
});

describe("a refresh token that does not help", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };

  it("is not sent again where the store has none by then", async () => {
    const store = memoryTokenStore();
    let grantsLeft = 2;
    server.respondWith((response, request, turn) => {
      if (request.form.has("refresh_token")) return json(400, { error: "invalid_grant" })(response, request, turn);
      const refreshToken = grantsLeft-- === 2 ? { refresh_token: "r1" } : {};
      return granted(`t${turn}`, { expires_in: 10, ...refreshToken })(response, request, turn);
    });
    const [one, other] = [source({ store }), source({ store })];
    expect([await given(one), await given(other)]).toEqual(["t1", "t1"]);
    setTime(11);
    expect(await given(other)).toBe("t3");
    setTime(22);
    expect(await given(one)).toBe("t5");
    expect(grantTypes().slice(3)).toEqual(["refresh_token", "client_credentials"]);
  });

  it.each(["unauthorized_client", "unsupported_grant_type", "invalid_request"])(
    "since the answer is %s gives way to a grant that can be repeated, and to no other",
    async (error) => {
      const refusing = () =>
        server.respondWith((response, request, turn) =>
          request.form.has("refresh_token")
            ? json(400, { error })(response, request, turn)
            : granted(`t${turn}`, { expires_in: 10, refresh_token: "refresh-token" })(response, request, turn),
        );
      refusing();
      const tokens = source();
      await given(tokens);
      setTime(11);
      expect(await given(tokens)).toBe("t3");
      setTime(0);
      refusing();
      const once = source(login);
      await given(once);
      setTime(11);
      expect(await failure(once.token())).toMatchObject({ error });
      expect(grantTypes()).toEqual(["authorization_code", "refresh_token"]);
    },
  );

  it("since it is empty is none", async () => {
    grants({ expires_in: 10, refresh_token: "" });
    const tokens = source();
    expect((await tokens.token()).refreshToken).toBeNull();
    setTime(11);
    expect(await given(tokens)).toBe("t2");
    expect(grantTypes()).toEqual(["client_credentials", "client_credentials"]);
  });

  it("is asked for what its caller wants, where it is the grant itself", async () => {
    grants({ expires_in: 10, refresh_token: "r1" });
    const extra = { refresh_token: "r0", resource: "https://r", audience: "a" };
    const tokens = source({ grantType: "refresh_token", scope: "read", extra });
    await given(tokens);
    setTime(11);
    await given(tokens);
    for (const [index, { form }] of server.requests.entries())
      expect(Object.fromEntries(form)).toMatchObject({ ...extra, scope: "read", refresh_token: `r${index}` });
  });
});

describe("a grant that can't be repeated", () => {
  const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };

  it.each<[string, Responder]>([
    ["was lost", (response) => void response.destroy()],
    ["is of another key", granted("t", { cnf: { jkt: "somebody-else's" } })],
    ["is a failure", json(503, { error: "temporarily_unavailable" })],
  ])("is not sent again after an answer that %s", async (_, answer) => {
    server.respondWith(answer);
    const tokens = source({ ...login, backoff: { initialDelay: 1 } });
    expect(await failure(tokens.token())).toBeInstanceOf(OAuthError);
    setTime(1000);
    expect(await failure(tokens.token())).toMatchObject({ code: "misconfigured", error: "invalid_grant" });
    expect(server.requests).toHaveLength(1);
  });

  it("is sent once the key signs", async () => {
    grants();
    const prover = await DPoPProver.generate();
    const signing = vi.spyOn(prover, "makeProof").mockRejectedValueOnce(new SignerError("unavailable", "away"));
    const tokens = source({ ...login, prover, backoff: { initialDelay: 1 } });
    expect(await failure(tokens.token())).toMatchObject({ name: "SignerError" });
    setTime(1000);
    expect(await given(tokens)).toBe("t1");
    expect(signing).toHaveBeenCalledTimes(2);
  });
});

it("a token that was handed over grows old from then on, not from its first use", async () => {
  server.respondWith(granted("handed over", { expires_in: 10 }));
  const token = await source().token();
  grants();
  const [early, late] = [source({ token }), source({ token })];
  setTime(9);
  expect(await given(early)).toBe("handed over");
  setTime(11);
  expect([await given(early), await given(late)]).toEqual(["t1", "t2"]);
});

describe("a failure", () => {
  const failing = () => server.respondWith(json(503, { error: "temporarily_unavailable" }));

  it("is told at once, and again, until its backoff is over; then the server is asked again", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    failing();
    const tokens = source();
    const error = await failure(tokens.token());
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
      await failure(tokens.token());
      expect(server.requests).toHaveLength(requests);
    }
    grants();
    setTime(1000);
    expect(await given(tokens)).toBe("t1");
  });

  it("is over in its time, also where somebody sets the wall clock back meanwhile", async () => {
    setTime(3600);
    failing();
    const tokens = source();
    await failure(tokens.token());
    grants();
    setTime(0);
    setTime(2);
    expect(await given(tokens)).toBe("t1");
  });

  it("is one request for all who wait, and one error", async () => {
    failing();
    const tokens = source();
    const errors = await Promise.all(Array.from({ length: 10 }, () => failure(tokens.token())));
    expect(new Set(errors).size).toBe(1);
    expect(await failure(tokens.token())).toBe(errors[0]);
    expect(server.requests).toHaveLength(1);
  });

  it("does not touch a token that still lasts, and backs off in the background too", async () => {
    grants();
    const tokens = source({ backoff: { initialDelay: 10_000 } });
    await given(tokens);
    failing();
    setTime(550);
    expect(await given(tokens)).toBe("t1");
    await until(() => server.requests.length === 1);
    for (let turn = 0; turn < 50; turn++) expect(await given(tokens)).toBe("t1");
    expect(server.requests).toHaveLength(1);
    setTime(601);
    expect(await failure(tokens.token())).toMatchObject({ statusCode: 503 });
  });

  it("leaves the server alone for as long as it asked (Retry-After), and no longer than a minute", async () => {
    server.respondWith(json(429, { error: "slow_down" }, { "retry-after": "30" }));
    const tokens = source();
    await failure(tokens.token());
    setTime(29);
    await failure(tokens.token());
    expect(server.requests).toHaveLength(1);
    server.respondWith(json(429, { error: "slow_down" }, { "retry-after": "86400" }));
    setTime(31);
    await failure(tokens.token());
    grants();
    setTime(31 + 61);
    expect(await given(tokens)).toBe("t1");
  });

  it("shows no secret", async () => {
    server.respondWith((response, { body }) => response.writeHead(400).end(body));
    const tokens = source({ grantType: "refresh_token", extra: { refresh_token: "long-lived" } });
    expect(inspect([await failure(tokens.token()), tokens], { depth: 10, showHidden: true })).not.toMatch(
      /s3cr3t|long-lived/,
    );
  });
});

describe("a token that a resource server refuses", () => {
  it("is replaced once, for all who were refused with it", async () => {
    grants();
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

  it("is not replaced again and again: a refused successor is kept for a moment, longer each time", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    grants();
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

  it("is given out no more, even if there is no other", async () => {
    grants();
    const tokens = source();
    const old = await tokens.token();
    server.respondWith(json(400, { error: "invalid_client" }));
    expect(await failure(tokens.renew(old))).toMatchObject({ error: "invalid_client" });
    expect(await failure(tokens.token())).toMatchObject({ error: "invalid_client" });
    expect(server.requests).toHaveLength(1);
  });
});
