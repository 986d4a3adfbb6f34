/** Tokens that a source is handed, or rejects, before it has requested one, and the time at which they expire. */
import { memoryTokenStore, type StoredToken, Token, type TokenStore } from "hardproof";
import { SignJWT } from "jose";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json } from "../../servers/stub-server.js";
import { EPOCH, setTime, stubSource, tokenResponse } from "./stub-source.js";

const { server, source, issueTokens, close } = await stubSource();
afterAll(close);
beforeEach(() => setTime(0));
afterEach(() => void vi.useRealTimers());

const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };
const refreshTokens = () => server.requests.map(({ form }) => form.get("refresh_token"));
const jwtUntil = (time: number) =>
  new SignJWT({ exp: EPOCH / 1000 + time }).setProtectedHeader({ alg: "HS256" }).sign(Buffer.alloc(32));

describe("a token of another key", () => {
  const ofOtherKey = () =>
    new Token({ access_token: "foreign", refresh_token: "r0", expires_in: 600, cnf: { jkt: "other" } }, "foreign");

  it("is never returned: only its refresh token is used", async () => {
    issueTokens({ expires_in: 600, refresh_token: "r1" });
    const tokens = source({ ...login, token: ofOtherKey() });
    expect((await tokens.token()).accessToken).toBe("t1");
    expect(refreshTokens()).toEqual(["r0"]);
  });

  it("keeps its refresh token while the server is unavailable, and isn't stored", async () => {
    server.respondWith(json(503, { error: "temporarily_unavailable" }));
    const store = memoryTokenStore();
    const set = vi.spyOn(store, "set");
    const tokens = source({ ...login, store, token: ofOtherKey(), backoff: { initialDelay: 1 } });
    await expect(tokens.token()).rejects.toMatchObject({ statusCode: 503 });
    expect(set).not.toHaveBeenCalled();
    issueTokens({ expires_in: 600 });
    setTime(10);
    expect((await tokens.token()).accessToken).toBe("t1");
    expect(refreshTokens()).toEqual(["r0"]);
  });

  it("is replaced by the grant if its refresh token is rejected", async () => {
    server.respondWith((response, request, turn) =>
      request.form.has("refresh_token")
        ? json(400, { error: "invalid_grant" })(response, request, turn)
        : tokenResponse(`t${turn}`)(response, request, turn),
    );
    expect((await source({ token: ofOtherKey() }).token()).accessToken).toBe("t2");
  });

  it("isn't sent again if its refresh token is rejected and the grant can't be repeated", async () => {
    server.respondWith(json(400, { error: "invalid_grant" }));
    const tokens = source({ ...login, token: ofOtherKey(), backoff: { initialDelay: 1 } });
    await expect(tokens.token()).rejects.toMatchObject({ error: "invalid_grant" });
    setTime(10);
    await expect(tokens.token()).rejects.toMatchObject({ code: "misconfigured" });
    expect(server.requests).toHaveLength(1);
  });
});

describe("expiresAt", () => {
  it("is the time of the response plus its lifetime, also in a source that gets the token later", async () => {
    server.respondWith(tokenResponse("initial", { expires_in: 10 }));
    const token = await source().token();
    expect(token.expiresAt).toBe(EPOCH + 10_000);
    issueTokens();
    setTime(6);
    const tokens = source({ token });
    expect((await tokens.token()).accessToken).toBe("initial");
    setTime(11);
    expect((await tokens.token()).accessToken).toBe("t1");
  });

  it("is that of the first response after a restart", async () => {
    const store = memoryTokenStore();
    issueTokens({ expires_in: 600 });
    await source({ store }).token();
    setTime(360);
    const token = await source({ store }).token();
    expect(token).toMatchObject({ accessToken: "t1", expiresIn: 600, expiresAt: EPOCH + 600_000 });
  });

  it("is kept when the server issues no new refresh token", async () => {
    issueTokens({ expires_in: 600 });
    const tokens = source({ grantType: "refresh_token", extra: { refresh_token: "r0" } });
    expect(await tokens.token()).toMatchObject({ refreshToken: "r0", expiresAt: EPOCH + 600_000 });
  });

  it("is the exp of a JWT access token without expires_in, so that the token is renewed", async () => {
    const first = await jwtUntil(100);
    server.respondWith(tokenResponse(first, {}));
    const tokens = source();
    expect(await tokens.token()).toMatchObject({ expiresIn: null, expiresAt: EPOCH + 100_000 });
    issueTokens();
    setTime(101);
    expect((await tokens.token()).accessToken).toBe("t1");
    expect(new Token({ access_token: first }, first).expiresAt).toBe(EPOCH + 100_000);
  });

  it("is null if neither the response nor the token has a lifetime", () => {
    expect(new Token({}, "opaque").expiresAt).toBeNull();
    expect(new Token({ expires_in: -1 }, "a.b.c").expiresAt).toBeNull();
  });

  it.each<[string, Partial<StoredToken>, string]>([
    ["its stored time", { expiresAt: EPOCH + 1000 }, "stored"],
    ["its stored time, when it has passed", { expiresAt: EPOCH - 1000 }, "t1"],
    ["nothing, if the response had no lifetime", { expiresAt: null }, "stored"],
    ["an unknown time after the response", { raw: { access_token: "stored", expires_in: 600 } }, "t1"],
  ])("of a stored token is %s", async (_, fields, expected) => {
    issueTokens();
    const stored = { raw: { access_token: "stored" }, refreshToken: null, ...fields } as StoredToken;
    const store: TokenStore = { ...memoryTokenStore(), get: async () => stored };
    expect((await source({ store }).token()).accessToken).toBe(expected);
  });

  it("counts from the server's clock for a JWT, as the prover has corrected it", async () => {
    const accessToken = await jwtUntil(400); // the server's clock is 300 seconds ahead
    server.respondWith((response, request, turn) =>
      turn === 1
        ? json(400, { error: "invalid_dpop_proof" }, { date: new Date(EPOCH + 300_000).toUTCString() })(
            response,
            request,
            turn,
          )
        : tokenResponse(accessToken, {})(response, request, turn),
    );
    expect((await source().token()).expiresAt).toBe(EPOCH + 100_000);
  });
});

describe("renew() as the first call of a new source", () => {
  const storeOf = (accessToken: string) => {
    const stored = { raw: { access_token: accessToken }, refreshToken: null, expiresAt: EPOCH + 600_000 };
    return { ...memoryTokenStore(), get: async () => stored };
  };

  it("returns another token than the rejected one, which the caller or the store had", async () => {
    issueTokens();
    const token = new Token({ access_token: "rejected" }, "rejected");
    expect((await source({ token }).renew("rejected")).accessToken).toBe("t1");
    expect((await source({ store: storeOf("rejected") }).renew(token)).accessToken).toBe("t2");
    expect((await source({ store: storeOf("newer") }).renew(token)).accessToken).toBe("newer");
  });

  it("doesn't share the result of a call that was in flight and returns the rejected token", async () => {
    issueTokens();
    const tokens = source({ store: storeOf("rejected") });
    const [first, renewed] = await Promise.all([tokens.token(), tokens.renew("rejected")]);
    expect([first.accessToken, renewed.accessToken]).toEqual(["rejected", "t1"]);
  });
});
