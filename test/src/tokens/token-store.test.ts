/** Token stores: tokens after a restart, and files that are damaged or belong to another key or name. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  DPoPProver,
  encryptedTokenStore,
  memoryTokenStore,
  OAuthClient,
  type StoredToken,
  type TokenStore,
  TokenStoreError,
} from "hardproof";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json } from "../../servers/stub-server.js";
import { EPOCH, type SourceOptions, setTime, stubSource, tokenResponse } from "./stub-source.js";

const { server, source, issueTokens, close } = await stubSource();
let directory: string;
afterAll(close);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-tokens-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

const key = new Uint8Array(32).fill(7);
const stores: Record<string, () => TokenStore> = {
  memory: memoryTokenStore,
  "a file encrypted with 32 bytes": () => encryptedTokenStore({ directory, key }),
  "a file encrypted with a passphrase": () =>
    encryptedTokenStore({ directory: join(directory, "created"), key: "correct horse" }),
};
const stored = (accessToken = "secret-token"): StoredToken => ({
  raw: { access_token: accessToken },
  refreshToken: "secret-refresh",
  expiresAt: EPOCH,
});

describe.each(Object.keys(stores))("a token store in %s", (kind) => {
  it("returns what was stored under a key until it is deleted", async () => {
    const store = stores[kind]?.() ?? expect.unreachable();
    expect(await store.get("a")).toBeUndefined();
    await store.del("a");
    await store.set("a", stored("one"));
    await store.set("b", stored("two"));
    await store.set("a", stored("three"));
    expect([await store.get("a"), await store.get("b")]).toEqual([stored("three"), stored("two")]);
    await store.del("a");
    expect([await store.get("a"), await store.get("b")]).toEqual([undefined, stored("two")]);
  });
});

describe("an encrypted file", () => {
  const onlyFile = () => join(directory, readdirSync(directory)[0] ?? expect.unreachable());
  const errorOf = (work: Promise<unknown>) =>
    work.then(
      () => expect.unreachable(),
      (error) => error,
    );

  it("encrypts token and name, and restricts files to their owner", async () => {
    await encryptedTokenStore({ directory, key }).set("client_id=my-agent", stored());
    const content = readFileSync(onlyFile());
    expect(content.toString("latin1")).not.toMatch(/secret|my-agent|access_token/);
    expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
    await encryptedTokenStore({ directory: join(directory, "new"), key }).set("a", stored());
    expect(statSync(join(directory, "new")).mode & 0o777).toBe(0o700);
  });

  it("writes a different ciphertext each time, without leaving temporary files", async () => {
    const store = encryptedTokenStore({ directory, key });
    await store.set("a", stored());
    const first = readFileSync(onlyFile());
    await store.set("a", stored());
    expect(readFileSync(onlyFile())).not.toEqual(first);
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("decrypts with the same key, and names the file in the error for a different one", async () => {
    await encryptedTokenStore({ directory, key: "correct horse" }).set("a", stored());
    expect(await encryptedTokenStore({ directory, key: "correct horse" }).get("a")).toEqual(stored());
    for (const other of ["battery staple", key]) {
      const error = await errorOf(encryptedTokenStore({ directory, key: other }).get("a"));
      expect(error).toBeInstanceOf(TokenStoreError);
      expect(error).toMatchObject({ code: "unreadable", message: expect.stringContaining(directory) });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/battery|secret/);
    }
  });

  it("rejects a changed, truncated, renamed or unrelated file, and doesn't overwrite it", async () => {
    const store = encryptedTokenStore({ directory, key });
    await store.set("a", stored());
    const file = onlyFile();
    const good = readFileSync(file);
    const changed = good.map((byte, at) => (at === good.length - 1 ? byte ^ 1 : byte));
    const eachPart = [0, 20, 36, 50].map((part) => good.map((byte, at) => (at === part ? byte ^ 1 : byte)));
    for (const bad of [
      changed,
      ...eachPart,
      good.subarray(0, -1),
      good.subarray(0, 40),
      Buffer.from("{}"),
      Buffer.alloc(0),
    ]) {
      writeFileSync(file, bad);
      expect(await errorOf(store.get("a"))).toMatchObject({ code: "unreadable" });
      expect(readFileSync(file)).toEqual(Buffer.from(bad));
    }
    await store.set("b", stored());
    const other = readdirSync(directory).find((name) => !file.endsWith(name)) ?? expect.unreachable();
    writeFileSync(join(directory, other), good);
    expect(await errorOf(store.get("b"))).toMatchObject({ code: "unreadable" });
  });

  it("never exposes a partial file to readers during concurrent writes", async () => {
    const [one, two] = [encryptedTokenStore({ directory, key }), encryptedTokenStore({ directory, key })];
    await one.set("a", stored("0"));
    const writes = Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).set("a", stored(String(n))));
    const reads = Array.from({ length: 40 }, () => one.get("a"));
    await Promise.all(writes);
    for (const read of await Promise.all(reads)) expect(read?.refreshToken).toBe("secret-refresh");
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("throws unavailable if the directory can't be read or written", async () => {
    writeFileSync(join(directory, "file"), "");
    const store = encryptedTokenStore({ directory: join(directory, "file"), key });
    expect(await errorOf(store.set("a", stored()))).toMatchObject({ code: "unavailable" });
    expect(await errorOf(store.get("a"))).toMatchObject({ code: "unavailable" });
  });

  it.each(["", new Uint8Array(16), undefined as never])("rejects the key %j", (bad) => {
    expect(() => encryptedTokenStore({ directory, key: bad })).toThrow(
      expect.objectContaining({ code: "misconfigured" }),
    );
  });
});

describe("a source with a store", () => {
  beforeEach(() => setTime(0));
  const accessTokenWith = async (options: SourceOptions) => (await source(options).token()).accessToken;

  it("uses the stored token after a restart without a request", async () => {
    issueTokens({ expires_in: 600, refresh_token: "r1" });
    const run = () => accessTokenWith({ store: encryptedTokenStore({ directory, key }), scope: "read" });
    expect([await run(), await run()]).toEqual(["t1", "t1"]);
    expect(server.requests).toHaveLength(1);
    setTime(601);
    expect(await run()).toBe("t2");
    expect(server.requests[1]?.form.get("refresh_token")).toBe("r1");
  });

  it("separates tokens of different keys, clients, scopes, resources, users and servers", async () => {
    issueTokens();
    const store = memoryTokenStore();
    const prover = await DPoPProver.generate();
    const different: SourceOptions[] = [
      {},
      { prover },
      { clientId: "other" },
      { scope: "read" },
      { extra: { resource: "https://r" } },
      { extra: { audience: "https://r" } },
      { subject: "alice" },
      { grantType: "urn:ietf:params:oauth:grant-type:token-exchange", extra: { subject_token: "of alice" } },
      { grantType: "urn:ietf:params:oauth:grant-type:token-exchange", extra: { subject_token: "of bob" } },
      { client: new OAuthClient({ baseUrl: `${server.origin}/tenant` }) },
      { client: new OAuthClient({ baseUrl: server.origin, issuer: "https://third.example.com" }) },
    ];
    const tokens = [];
    for (const options of different) tokens.push(await accessTokenWith({ store, ...options }));
    expect(new Set(tokens).size).toBe(different.length);
    expect(await accessTokenWith({ store })).toBe("t1");
  });

  it("doesn't use a stored unbound token if binding is required", async () => {
    const store = memoryTokenStore();
    server.respondWith(tokenResponse("unbound", { token_type: "Bearer" }));
    expect(await accessTokenWith({ store })).toBe("unbound");
    issueTokens();
    expect(await accessTokenWith({ store, requireBinding: true })).toBe("t1");
    server.respondWith(tokenResponse("unbound", { token_type: "Bearer" }));
    const other = { store, subject: "other" };
    expect(await accessTokenWith(other)).toBe("unbound");
    issueTokens();
    const client = new OAuthClient({ baseUrl: server.origin, requireBinding: true });
    expect(await accessTokenWith({ ...other, client })).toBe("t1");
  });

  it("restores the refresh token, and keeps it if the server doesn't replace it", async () => {
    server.respondWith((response, request, turn) =>
      tokenResponse(`t${turn}`, turn === 1 ? { expires_in: 10, refresh_token: "r1" } : { expires_in: 10 })(
        response,
        request,
        turn,
      ),
    );
    const store = memoryTokenStore();
    expect((await source({ store }).token()).refreshToken).toBe("r1");
    expect((await source({ store }).token()).refreshToken).toBe("r1");
    setTime(11);
    expect(await source({ store }).token()).toMatchObject({ accessToken: "t2", refreshToken: "r1" });
  });

  it("separates the tokens of different logins without a code in the store's key", async () => {
    issueTokens();
    const names: string[] = [];
    const inner = memoryTokenStore();
    const store: TokenStore = {
      ...inner,
      set: (name, token) => {
        names.push(name);
        return inner.set(name, token);
      },
    };
    const login = (code: string) => accessTokenWith({ store, grantType: "authorization_code", extra: { code } });
    expect([await login("of-alice"), await login("of-bob"), await login("of-alice")]).toEqual(["t1", "t2", "t1"]);
    expect(names.join()).not.toMatch(/of-alice|of-bob|s3cr3t/);
  });

  it("doesn't send a refresh token to a different server", async () => {
    issueTokens({ expires_in: 10, refresh_token: "r1" });
    const store = memoryTokenStore();
    await accessTokenWith({ store });
    setTime(11);
    const elsewhere = await stubSource();
    elsewhere.issueTokens();
    const client = new OAuthClient({ baseUrl: elsewhere.server.origin });
    await accessTokenWith({ store, client });
    expect(elsewhere.server.requests.map(({ form }) => form.get("refresh_token"))).toEqual([null]);
    await elsewhere.close();
  });

  it("ignores a stored token that is bound to a different key", async () => {
    issueTokens();
    const store = memoryTokenStore();
    const unusable = { ...stored("stolen"), raw: { access_token: "stolen", cnf: { jkt: "other" } }, expiresAt: null };
    expect(await accessTokenWith({ store: { ...store, get: async () => unusable } })).toBe("t1");
    expect(server.requests[0]?.form.has("refresh_token")).toBe(false);
  });

  it("uses the newer token of another process, after expiry and after a rejected refresh token", async () => {
    const store = memoryTokenStore();
    let key = "";
    const recordingStore: TokenStore = {
      ...store,
      set: (name, token) => {
        key = name;
        return store.set(name, token);
      },
    };
    issueTokens({ expires_in: 600, refresh_token: "r1" });
    const tokens = source({ store: recordingStore });
    await tokens.token();
    await store.set(key, { raw: { access_token: "newer" }, refreshToken: "r2", expiresAt: EPOCH + 1_200_000 });
    setTime(601);
    expect((await tokens.token()).accessToken).toBe("newer");
    expect(server.requests).toHaveLength(1);

    setTime(1201);
    server.respondWith((response, request, turn) => {
      const newest = { raw: { access_token: "newest" }, refreshToken: "r3", expiresAt: EPOCH + 1_800_000 };
      void store.set(key, newest).then(() => json(400, { error: "invalid_grant" })(response, request, turn));
    });
    expect((await tokens.token()).accessToken).toBe("newest");
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual(["r2"]);
  });

  it("returns the token if the store can't be written, and warns without showing it", async () => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    server.respondWith(tokenResponse("secret-token"));
    const reason = Object.assign(new Error("can't write secret-token"), { code: "ENOSPC" });
    const failing = { ...memoryTokenStore(), set: () => Promise.reject(reason) };
    expect(await accessTokenWith({ store: failing })).toBe("secret-token");
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/: Error \(ENOSPC\)$/), {
      code: "HARDPROOF_TOKEN_STORE",
    });
    expect(String(emitWarning.mock.calls)).not.toContain("secret-token");
    emitWarning.mockRestore();
  });

  it("doesn't repeat the error of a custom store that can't be read", async () => {
    const reason = Object.assign(new Error("bad value secret-token"), { code: "EBADMSG" });
    const failing = { ...memoryTokenStore(), get: () => Promise.reject(reason) };
    const error = await accessTokenWith({ store: failing }).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "TokenStoreError", code: "unavailable" });
    expect(String(error)).toContain("EBADMSG");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret-token");
  });

  it("throws if the stored token can't be read, without a request or overwriting it", async () => {
    issueTokens();
    await accessTokenWith({ store: encryptedTokenStore({ directory, key }) });
    const store = encryptedTokenStore({ directory, key: "another" });
    await expect(accessTokenWith({ store })).rejects.toMatchObject({ name: "TokenStoreError", code: "unreadable" });
    expect(server.requests).toHaveLength(1);
  });
});
