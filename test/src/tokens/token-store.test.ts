/** Stores: what a restart finds again, and what is made of a file that is damaged, foreign, or half a change. */
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
  type TokenSourceOptions,
  type TokenStore,
  TokenStoreError,
} from "hardproof";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json } from "../../servers/stub-server.js";
import { EPOCH, granted, setTime, stubSource } from "./stub-source.js";

const { server, source, grants, close } = await stubSource();
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
  "32 bytes": () => encryptedTokenStore({ directory, key }),
  passphrase: () => encryptedTokenStore({ directory: join(directory, "made"), key: "correct horse" }),
};
const stored = (accessToken = "secret-token"): StoredToken => ({
  raw: { access_token: accessToken },
  refreshToken: "secret-refresh",
  expiresAt: EPOCH,
});

describe.each(Object.keys(stores))("a store by %s", (kind) => {
  it("gives back what was set, by its key, until it is deleted", async () => {
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
  const refused = (work: Promise<unknown>) =>
    work.then(
      () => expect.unreachable(),
      (error) => error,
    );

  it("shows neither token nor name, and is its owner's alone", async () => {
    await encryptedTokenStore({ directory, key }).set("client_id=my-agent", stored());
    const content = readFileSync(onlyFile());
    expect(content.toString("latin1")).not.toMatch(/secret|my-agent|access_token/);
    expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
    await encryptedTokenStore({ directory: join(directory, "new"), key }).set("a", stored());
    expect(statSync(join(directory, "new")).mode & 0o777).toBe(0o700);
  });

  it("is another one each time, and leaves no file behind", async () => {
    const store = encryptedTokenStore({ directory, key });
    await store.set("a", stored());
    const first = readFileSync(onlyFile());
    await store.set("a", stored());
    expect(readFileSync(onlyFile())).not.toEqual(first);
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("is read by whoever has the key, and refused with another one, clearly", async () => {
    await encryptedTokenStore({ directory, key: "correct horse" }).set("a", stored());
    expect(await encryptedTokenStore({ directory, key: "correct horse" }).get("a")).toEqual(stored());
    for (const other of ["battery staple", key]) {
      const error = await refused(encryptedTokenStore({ directory, key: other }).get("a"));
      expect(error).toBeInstanceOf(TokenStoreError);
      expect(error).toMatchObject({ code: "unreadable", message: expect.stringContaining(directory) });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/battery|secret/);
    }
  });

  it("is refused with any byte changed, cut off, foreign or under another name, and stays as it is", async () => {
    const store = encryptedTokenStore({ directory, key });
    await store.set("a", stored());
    const file = onlyFile();
    const good = readFileSync(file);
    const changed = good.map((byte, at) => (at === good.length - 1 ? byte ^ 1 : byte));
    const parts = [0, 20, 36, 50].map((part) => good.map((byte, at) => (at === part ? byte ^ 1 : byte)));
    for (const bad of [
      changed,
      ...parts,
      good.subarray(0, -1),
      good.subarray(0, 40),
      Buffer.from("{}"),
      Buffer.alloc(0),
    ]) {
      writeFileSync(file, bad);
      expect(await refused(store.get("a"))).toMatchObject({ code: "unreadable" });
      expect(readFileSync(file)).toEqual(Buffer.from(bad));
    }
    await store.set("b", stored());
    const other = readdirSync(directory).find((name) => !file.endsWith(name)) ?? expect.unreachable();
    writeFileSync(join(directory, other), good);
    expect(await refused(store.get("b"))).toMatchObject({ code: "unreadable" });
  });

  it("is whole at every moment, whoever writes it at the same time", async () => {
    const [one, two] = [encryptedTokenStore({ directory, key }), encryptedTokenStore({ directory, key })];
    await one.set("a", stored("0"));
    const writes = Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).set("a", stored(String(n))));
    const reads = Array.from({ length: 40 }, () => one.get("a"));
    await Promise.all(writes);
    for (const read of await Promise.all(reads)) expect(read?.refreshToken).toBe("secret-refresh");
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("that can't be written is unavailable", async () => {
    writeFileSync(join(directory, "file"), "");
    const store = encryptedTokenStore({ directory: join(directory, "file"), key });
    expect(await refused(store.set("a", stored()))).toMatchObject({ code: "unavailable" });
    expect(await refused(store.get("a"))).toMatchObject({ code: "unavailable" });
  });

  it.each(["", new Uint8Array(16), undefined as never])("is not made with the key %j", (bad) => {
    expect(() => encryptedTokenStore({ directory, key: bad })).toThrow(
      expect.objectContaining({ code: "misconfigured" }),
    );
  });
});

describe("a source with a store", () => {
  beforeEach(() => setTime(0));
  const given = async (options: Partial<TokenSourceOptions>) => (await source(options).token()).accessToken;

  it("finds its token again after a restart, and asks for none", async () => {
    grants({ expires_in: 600, refresh_token: "r1" });
    const run = () => given({ store: encryptedTokenStore({ directory, key }), scope: "read" });
    expect([await run(), await run()]).toEqual(["t1", "t1"]);
    expect(server.requests).toHaveLength(1);
    setTime(601);
    expect(await run()).toBe("t2");
    expect(server.requests[1]?.form.get("refresh_token")).toBe("r1");
  });

  it("keeps tokens of other keys, clients, scopes, resources and servers apart", async () => {
    grants();
    const store = memoryTokenStore();
    const prover = await DPoPProver.generate();
    const different: Partial<TokenSourceOptions>[] = [
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
    for (const options of different) tokens.push(await given({ store, ...options }));
    expect(new Set(tokens).size).toBe(different.length);
    expect(await given({ store })).toBe("t1");
  });

  it("gives out no stored token without a key, where one is required", async () => {
    const store = memoryTokenStore();
    server.respondWith(granted("unbound", { token_type: "Bearer" }));
    expect(await given({ store })).toBe("unbound");
    grants();
    expect(await given({ store, requireBinding: true })).toBe("t1");
    server.respondWith(granted("unbound", { token_type: "Bearer" }));
    const other = { store, subject: "other" };
    expect(await given(other)).toBe("unbound");
    grants();
    const client = new OAuthClient({ baseUrl: server.origin, requireBinding: true });
    expect(await given({ ...other, client })).toBe("t1");
  });

  it("has its refresh token again, and passes it on when the server does not replace it", async () => {
    server.respondWith((response, request, turn) =>
      granted(`t${turn}`, turn === 1 ? { expires_in: 10, refresh_token: "r1" } : { expires_in: 10 })(
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

  it("gives nobody what another login left there, and shows no code in its key", async () => {
    grants();
    const names: string[] = [];
    const kept = memoryTokenStore();
    const store: TokenStore = {
      ...kept,
      set: (name, token) => {
        names.push(name);
        return kept.set(name, token);
      },
    };
    const login = (code: string) => given({ store, grantType: "authorization_code", extra: { code } });
    expect([await login("of-alice"), await login("of-bob"), await login("of-alice")]).toEqual(["t1", "t2", "t1"]);
    expect(names.join()).not.toMatch(/of-alice|of-bob|s3cr3t/);
  });

  it("sends a refresh token to no other server", async () => {
    grants({ expires_in: 10, refresh_token: "r1" });
    const store = memoryTokenStore();
    await given({ store });
    setTime(11);
    const elsewhere = await stubSource();
    elsewhere.grants();
    const client = new OAuthClient({ baseUrl: elsewhere.server.origin });
    await given({ store, client });
    expect(elsewhere.server.requests.map(({ form }) => form.get("refresh_token"))).toEqual([null]);
    await elsewhere.close();
  });

  it("does not use a token of another key, whatever the store says", async () => {
    grants();
    const store = memoryTokenStore();
    const foreign = { ...stored("stolen"), raw: { access_token: "stolen", cnf: { jkt: "other" } }, expiresAt: null };
    expect(await given({ store: { ...store, get: async () => foreign } })).toBe("t1");
    expect(server.requests[0]?.form.has("refresh_token")).toBe(false);
  });

  it("uses what another process got meanwhile, ahead of the end and after a refused refresh token", async () => {
    const store = memoryTokenStore();
    let key = "";
    const watched: TokenStore = {
      ...store,
      set: (name, token) => {
        key = name;
        return store.set(name, token);
      },
    };
    grants({ expires_in: 600, refresh_token: "r1" });
    const tokens = source({ store: watched });
    await tokens.token();
    await store.set(key, { raw: { access_token: "theirs" }, refreshToken: "r2", expiresAt: EPOCH + 1_200_000 });
    setTime(601);
    expect((await tokens.token()).accessToken).toBe("theirs");
    expect(server.requests).toHaveLength(1);

    setTime(1201);
    server.respondWith((response, request, turn) => {
      const theirs = { raw: { access_token: "theirs 2" }, refreshToken: "r3", expiresAt: EPOCH + 1_800_000 };
      void store.set(key, theirs).then(() => json(400, { error: "invalid_grant" })(response, request, turn));
    });
    expect((await tokens.token()).accessToken).toBe("theirs 2");
    expect(server.requests.map(({ form }) => form.get("refresh_token"))).toEqual(["r2"]);
  });

  it("that can't be written gives its token all the same, and warns without it", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    server.respondWith(granted("secret-token"));
    const failing = { ...memoryTokenStore(), set: () => Promise.reject(new Error("disk full")) };
    expect(await given({ store: failing })).toBe("secret-token");
    expect(warned).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("disk full"), {
      code: "HARDPROOF_TOKEN_STORE",
    });
    warned.mockRestore();
  });

  it("that can't be read is an error, and nothing is asked for or overwritten", async () => {
    grants();
    await given({ store: encryptedTokenStore({ directory, key }) });
    const store = encryptedTokenStore({ directory, key: "another" });
    await expect(given({ store })).rejects.toMatchObject({ name: "TokenStoreError", code: "unreadable" });
    expect(server.requests).toHaveLength(1);
  });
});
