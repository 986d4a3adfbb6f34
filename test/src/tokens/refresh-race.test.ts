/** Two processes that refresh one token at the same moment, and a server that accepts each refresh token once. */
import { memoryTokenStore, type TokenStore } from "hardproof";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json, type Responder } from "../../servers/stub-server.js";
import { setTime, stubSource, tokenResponse } from "./stub-source.js";

const { server, source, close } = await stubSource();
afterAll(close);
beforeEach(() => setTime(0));
afterEach(() => void vi.useRealTimers());

const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };

/** Accepts the current refresh token only, and refuses any other with this response. */
function rotatingServer(refusal: Responder) {
  let current: string | null = null;
  server.respondWith((response, request, turn) => {
    if (request.form.get("refresh_token") !== current) return refusal(response, request, turn);
    current = `r${turn}`;
    return tokenResponse(`t${turn}`, { expires_in: 10, refresh_token: current })(response, request, turn);
  });
}

/** A store whose writes take a while, without a lock, as most have it. */
function slowStore() {
  const { get, set, del } = memoryTokenStore();
  const deleted = vi.fn();
  let delay = 0;
  const slowDown = () => {
    delay = 60;
  };
  const store: TokenStore = {
    get,
    set: async (key, token) => {
      await new Promise((resolve) => setTimeout(resolve, delay));
      return set(key, token);
    },
    del: (key) => {
      deleted();
      return del(key);
    },
  };
  return { store, deleted, slowDown };
}

const invalidGrant = json(400, { error: "invalid_grant" });

describe("two sources that refresh one token", () => {
  it.each<[string, Responder]>([
    ["invalid_grant", invalidGrant],
    ["server_error", json(500, { error: "server_error" })],
    ["invalid_request", json(400, { error: "invalid_request" })],
    ["no error code", (response) => response.writeHead(409).end("conflict")],
  ])("both get the new token if the server refuses the second request by %s", async (_, refusal) => {
    rotatingServer(refusal);
    const { store, deleted, slowDown } = slowStore();
    const [one, other] = [source({ ...login, store }), source({ ...login, store })];
    await one.token();
    await other.token();
    slowDown();
    setTime(11);
    const tokens = await Promise.all([one.token(), other.token()]);
    expect(tokens.map(({ accessToken }) => accessToken)).toEqual(["t2", "t2"]);
    expect(deleted).not.toHaveBeenCalled();
    setTime(22);
    expect((await other.token()).accessToken).toBe("t4");
  });

  it("doesn't delete a token that another process stored after the refusal", async () => {
    const { get, set, del } = memoryTokenStore();
    let key = "";
    let reads = 0;
    const newer = { raw: { access_token: "newer" }, refreshToken: "r-newer", expiresAt: null };
    const store: TokenStore = {
      get: async (name) => {
        reads++;
        if (reads === 4) await set(name, newer); // after both looks, before the deletion
        return get(name);
      },
      set: (name, token) => {
        key = name;
        return set(name, token);
      },
      del,
    };
    rotatingServer(invalidGrant);
    const tokens = source({ ...login, store });
    await tokens.token();
    reads = 0;
    setTime(11);
    server.respondWith(invalidGrant);
    await expect(tokens.token()).rejects.toMatchObject({ error: "invalid_grant" });
    expect(await get(key)).toEqual(newer);
  });

  it("deletes a token whose refresh token the server refuses, and no process has replaced", async () => {
    const { store, deleted } = slowStore();
    rotatingServer(invalidGrant);
    const tokens = source({ ...login, store });
    await tokens.token();
    server.respondWith(invalidGrant);
    setTime(11);
    await expect(tokens.token()).rejects.toMatchObject({ error: "invalid_grant" });
    expect(deleted).toHaveBeenCalledOnce();
  });

  it("keeps the token if the server has a fault that says nothing about it", async () => {
    const { store, deleted } = slowStore();
    rotatingServer(invalidGrant);
    const tokens = source({ ...login, store, backoff: { initialDelay: 1 } });
    await tokens.token();
    setTime(11);
    server.respondWith(json(500, { error: "server_error" }));
    await expect(tokens.token()).rejects.toMatchObject({ error: "server_error" });
    expect(deleted).not.toHaveBeenCalled();
  });
});

describe("a store with a lock", () => {
  it("lets only one of two sources refresh", async () => {
    rotatingServer(invalidGrant);
    const store = memoryTokenStore();
    const [one, other] = [source({ ...login, store }), source({ ...login, store })];
    await one.token();
    await other.token();
    setTime(11);
    const tokens = await Promise.all([one.token(), other.token()]);
    expect(tokens.map(({ accessToken }) => accessToken)).toEqual(["t2", "t2"]);
    expect(server.requests).toHaveLength(2);
  });

  it("throws the error of the request, and frees the lock for the next one", async () => {
    server.respondWith(json(400, { error: "invalid_scope" }));
    const store = memoryTokenStore();
    await expect(source({ store }).token()).rejects.toMatchObject({ error: "invalid_scope" });
    server.respondWith(tokenResponse("t"));
    expect((await source({ store }).token()).accessToken).toBe("t");
  });

  it("returns the token even if the lock can't be released", async () => {
    server.respondWith(tokenResponse("t"));
    const lock = async (_: string, work: () => Promise<void>) => {
      await work();
      throw new Error("connection lost");
    };
    expect((await source({ store: { ...memoryTokenStore(), lock } }).token()).accessToken).toBe("t");
  });

  it.each([
    ["can't be acquired", () => Promise.reject(new Error("s3cr3t connection string"))],
    ["doesn't run the work", async () => undefined],
  ])("throws a TokenStoreError if the lock %s", async (_, lock) => {
    server.respondWith(tokenResponse("t"));
    const error = await source({ store: { ...memoryTokenStore(), lock } })
      .token()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "TokenStoreError", code: "unavailable" });
    expect(String(error)).not.toContain("s3cr3t");
    expect(server.requests).toHaveLength(0);
  });
});

describe("a token that could not be stored", () => {
  /** A store that fails while `fails` is true. */
  function failingStore() {
    const inner = memoryTokenStore();
    const state = { fails: false, key: "" };
    const store: TokenStore = {
      ...inner,
      set: async (key, token) => {
        state.key = key;
        if (state.fails) throw new Error("away");
        return inner.set(key, token);
      },
    };
    return { state, store, inner };
  }
  beforeEach(() => void vi.spyOn(process, "emitWarning").mockImplementation(() => undefined));
  afterEach(() => void vi.restoreAllMocks());

  it("is stored at the next renewal, and its refresh token is used", async () => {
    rotatingServer(invalidGrant);
    const { state, store, inner } = failingStore();
    const tokens = source({ ...login, store });
    await tokens.token();
    state.fails = true;
    setTime(11);
    expect((await tokens.token()).accessToken).toBe("t2");
    expect((await inner.get(state.key))?.refreshToken).toBe("r1");
    state.fails = false;
    setTime(22);
    expect((await tokens.token()).accessToken).toBe("t3");
    expect((await inner.get(state.key))?.refreshToken).toBe("r3");
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual([null, "r1", "r2"]);
  });

  it("is forgotten if another process has stored a newer one", async () => {
    rotatingServer(invalidGrant);
    const { state, store, inner } = failingStore();
    const tokens = source({ ...login, store });
    await tokens.token();
    state.fails = true;
    setTime(11);
    await tokens.token();
    state.fails = false;
    const newer = { raw: { access_token: "newer" }, refreshToken: "r-newer", expiresAt: null };
    await inner.set(state.key, newer);
    setTime(22);
    expect((await tokens.token()).accessToken).toBe("newer");
    expect(await inner.get(state.key)).toEqual(newer);
  });
});

it("a store that fails is tried again at the next call, without a delay", async () => {
  server.respondWith(tokenResponse("t"));
  const inner = memoryTokenStore();
  let fails = true;
  const get: TokenStore["get"] = async (key) => {
    if (fails) throw new Error("away");
    return inner.get(key);
  };
  const tokens = source({ store: { ...inner, get } });
  await expect(tokens.token()).rejects.toMatchObject({ name: "TokenStoreError", code: "unavailable" });
  fails = false;
  expect((await tokens.token()).accessToken).toBe("t");
});
