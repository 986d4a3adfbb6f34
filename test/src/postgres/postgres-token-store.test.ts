/** Token stores in a real PostgreSQL, with each client, and through PgBouncer. */
import { randomUUID } from "node:crypto";
import { postgresMigration, postgresPurge, postgresTokenStore, type Query } from "hardproof/postgres";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { postgresRecords } from "../../../src/postgres/postgres-records.js";
import { lockContract, token } from "../../token-stores/lock-contract.js";
import { TEST_KEY } from "../../token-stores/open-store.js";
import { outageContract } from "../../token-stores/outage-contract.js";
import { pgBouncer, postgresServer, urlOf } from "../../token-stores/postgres-server.js";
import type { ServerProcess } from "../../token-stores/server-process.js";

const missing = inject("unavailable").PostgreSQL;
const why = missing ? ` (skipped. ${missing})` : "";

let server: ServerProcess;
let pooler: ServerProcess;
let pool: pg.Pool;
let query: Query;
let tables = 0;

/** Creates a table. */
async function newTable(): Promise<string> {
  const table = `tokens_${++tables}`;
  await pool.query(postgresMigration(table));
  return table;
}

describe.skipIf(missing)(`a token store in PostgreSQL${why}`, { timeout: 60_000 }, () => {
  beforeAll(async () => {
    server = await postgresServer();
    pooler = await pgBouncer(server);
    pool = new pg.Pool({ connectionString: urlOf(server), max: 4 }).on("error", () => undefined);
    query = (text, params) => pool.query(text, params).then(({ rows }) => rows);
  }, 120_000);
  afterAll(async () => {
    await pool?.end();
    await pooler?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  describe.each([
    ["pg", "directly"],
    ["pg", "through PgBouncer in transaction mode"],
    ["postgres", "directly"],
    ["postgres", "through PgBouncer in transaction mode"],
  ] as const)("with the client %s, %s", (client, way) => {
    let table = "";
    lockContract({
      before: async () => {
        table = await newTable();
      },
      describeStore: () => {
        const url = urlOf(way === "directly" ? server : pooler);
        return { kind: "postgres", client, url, table };
      },
      withProcesses: client === "pg" && way !== "directly",
    });
  });

  it("sends neither the token nor its key nor the sealing key to PostgreSQL", async () => {
    const sent: unknown[] = [];
    const recording: Query = (text, params) => {
      sent.push(text, ...params);
      return query(text, params);
    };
    const store = postgresTokenStore({ query: recording, key: "correct horse", table: await newTable() });
    await store.set("client_id=my-agent", token("a"));
    const text = sent.flatMap((value) => [value, Buffer.from(String(value), "base64")]).join("\n");
    expect(text).not.toMatch(/secret|my-agent|access_token|correct/);
  });

  it("gives its owner the lease again, if a query is repeated because its response was lost", async () => {
    const [records, owner] = [postgresRecords(query, await newTable()), randomUUID()];
    expect(await records.take("ab", owner, 60_000)).toBe(true);
    expect(await records.take("ab", owner, 60_000)).toBe(true);
    expect(await records.take("ab", randomUUID(), 60_000)).toBe(false);
  });

  it("purges tokens without a refresh token after their expiry, others after the retention, and rows of no token", async () => {
    const table = await newTable();
    const rows = async () => (await pool.query(`SELECT delete_after FROM ${table} WHERE token IS NOT NULL`)).rows;
    const age = async (interval: string) => {
      await pool.query(`UPDATE ${table} SET delete_after = delete_after - interval '${interval}'`);
      await pool.query(postgresPurge(table));
      return (await rows()).length;
    };
    const store = postgresTokenStore({ query, key: TEST_KEY, table, retention: 30 * 24 * 60 * 60 });
    const withoutRefresh = { ...token("a"), refreshToken: null, expiresAt: Date.now() + 3_600_000 };
    await store.set("a", withoutRefresh);
    await store.set("b", token("b"));
    await postgresTokenStore({ query, key: TEST_KEY, table }).set("c", token("c"));
    await store.del("d");
    expect(await age("50 minutes")).toBe(3);
    expect(await store.get("a")).toEqual(withoutRefresh);
    expect(await age("12 minutes")).toBe(2);
    expect(await age("30 days")).toBe(1);
    expect((await pool.query(`SELECT id FROM ${table}`)).rows).toHaveLength(1);
    expect(await store.get("c")).toEqual(token("c"));
  });

  it("doesn't return a token after its time, even before it is purged", async () => {
    const table = await newTable();
    const store = postgresTokenStore({ query, key: TEST_KEY, table, retention: 60 });
    await store.set("a", token("a"));
    await pool.query(`UPDATE ${table} SET delete_after = delete_after - interval '61 seconds'`);
    expect(await store.get("a")).toBeUndefined();
  });

  it("works where the default isolation is serializable", async () => {
    const table = await newTable();
    const options = { connectionString: urlOf(server), options: "-c default_transaction_isolation=serializable" };
    const strict = new pg.Pool(options);
    const strictQuery: Query = (text, params) => strict.query(text, params).then(({ rows }) => rows);
    const stores = Array.from({ length: 4 }, () => postgresTokenStore({ query: strictQuery, key: TEST_KEY, table }));
    await Promise.all(stores.map((store, n) => store.set("a", token(String(n)))));
    expect((await stores[0]?.get("a"))?.refreshToken).toBe("secret-refresh");
    await strict.end();
  });

  it("names the migration if the table doesn't exist, which can be run twice", async () => {
    const store = postgresTokenStore({ query, key: TEST_KEY });
    await expect(store.get("a")).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("postgresMigration()"),
    });
    await pool.query(postgresMigration());
    await pool.query(postgresMigration());
    expect(await store.get("a")).toBeUndefined();
    await pool.query("CREATE SCHEMA app");
    await pool.query(postgresMigration("app.tokens"));
    expect(await postgresTokenStore({ query, key: TEST_KEY, table: "app.tokens" }).get("a")).toBeUndefined();
  });

  outageContract({
    title: "PostgreSQL",
    server: () => server,
    newStore: async () => postgresTokenStore({ query, key: TEST_KEY, table: await newTable() }),
    newStoreWithLongLease: async () =>
      postgresTokenStore({ query, key: TEST_KEY, table: await newTable(), lease: 60_000 }),
  });
});

describe("postgresTokenStore", () => {
  const noRows: Query = async () => [];
  it.each([
    ["query", { query: undefined as never, key: TEST_KEY }],
    ["key", { query: noRows, key: new Uint8Array(16) }],
    ["table", { query: noRows, key: TEST_KEY, table: 'tokens"; DROP TABLE users' }],
    ["table", { query: noRows, key: TEST_KEY, table: "" }],
    ["lease", { query: noRows, key: TEST_KEY, lease: 1 }],
  ])("rejects an invalid %s", (option, options) => {
    expect(() => postgresTokenStore(options)).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(option) }),
    );
  });

  it("repeats a statement that can't be serialized, ten times at most", async () => {
    let failures = 3;
    let calls = 0;
    const query: Query = async () => {
      calls += 1;
      if (failures-- > 0) throw Object.assign(new Error("could not serialize access"), { code: "40001" });
      return [];
    };
    expect(await postgresTokenStore({ query, key: TEST_KEY }).get("a")).toBeUndefined();
    expect(calls).toBe(4);
    [failures, calls] = [Number.POSITIVE_INFINITY, 0];
    await expect(postgresTokenStore({ query, key: TEST_KEY }).get("a")).rejects.toMatchObject({ code: "unavailable" });
    expect(calls).toBe(10);
  });

  it("says what query must return, for an adapter that returns the result of pg", async () => {
    const query = (async () => ({ rows: [] })) as never;
    await expect(postgresTokenStore({ query, key: TEST_KEY }).get("a")).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining(".rows"),
    });
  });
});
