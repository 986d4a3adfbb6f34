/** Token stores in a real Redis, with each client. */
import { randomUUID } from "node:crypto";
import { type RedisClient, redisTokenStore } from "hardproof/redis";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { redisRecords } from "../../../src/redis/redis-records.js";
import { lockContract, token } from "../../token-stores/lock-contract.js";
import { redisClients, TEST_KEY } from "../../token-stores/open-store.js";
import { outageContract } from "../../token-stores/outage-contract.js";
import { redisCluster, redisServer } from "../../token-stores/redis-server.js";
import type { ServerProcess } from "../../token-stores/server-process.js";

/** Connects each client for clusters. */
const clusterClients = {
  redis: async (port: number): Promise<{ client: RedisClient; close(): unknown }> => {
    const { createCluster } = await import("redis");
    const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] }).on("error", () => undefined);
    await client.connect();
    return { client, close: () => client.destroy() };
  },
  ioredis: async (port: number): Promise<{ client: RedisClient; close(): unknown }> => {
    const client = new Cluster([{ host: "127.0.0.1", port }]).on("error", () => undefined);
    return { client, close: () => client.disconnect() };
  },
  iovalkey: async (port: number): Promise<{ client: RedisClient; close(): unknown }> => {
    const { Cluster } = await import("iovalkey");
    const client = new Cluster([{ host: "127.0.0.1", port }]).on("error", () => undefined);
    return { client, close: () => client.disconnect() };
  },
  glide: async (port: number): Promise<{ client: RedisClient; close(): unknown }> => {
    const { GlideClusterClient } = await import("@valkey/valkey-glide");
    const client = await GlideClusterClient.createClient({ addresses: [{ host: "127.0.0.1", port }] });
    return { client, close: () => client.close() };
  },
};

const missing = inject("unavailable").Redis;
const why = missing ? ` (skipped. ${missing})` : "";

let server: ServerProcess;
let client: Redis;
let stores = 0;
const newPrefix = () => `test-${++stores}:`;

describe.skipIf(missing)(`a token store in Redis${why}`, { timeout: 60_000 }, () => {
  beforeAll(async () => {
    server = await redisServer();
    client = new Redis(server.port, "127.0.0.1").on("error", () => undefined);
  });
  afterAll(async () => {
    client?.disconnect();
    await server?.[Symbol.asyncDispose]();
  });
  const names = Object.keys(redisClients) as (keyof typeof redisClients)[];

  describe.each(names)("with the client %s", (name) => {
    let prefix = "";
    lockContract({
      before: () => {
        prefix = newPrefix();
      },
      describeStore: () => ({ kind: "redis", client: name, port: server.port, prefix }),
      withProcesses: name === "redis",
    });
  });

  it("sends neither the token nor its key nor the sealing key to Redis", async () => {
    const prefix = newPrefix();
    await redisTokenStore({ client, key: "correct horse", prefix }).set("client_id=my-agent", token("a"));
    const keys = await client.keys(`${prefix}*`);
    const values = await Promise.all(keys.map((key) => client.get(key)));
    const text = [...keys, ...values, ...values.map((value) => Buffer.from(String(value), "base64"))].join("\n");
    expect(keys).toHaveLength(1);
    expect(text).not.toMatch(/secret|my-agent|access_token|correct/);
  });

  it.each(["redis", "ioredis", "iovalkey", "glide"] as const)("works in a cluster, by %s", async (name) => {
    await using cluster = await redisCluster();
    const { client, close } = await clusterClients[name](cluster.port);
    const store = redisTokenStore({ client, key: TEST_KEY });
    await store.lock?.("a", () => store.set("a", token("a")));
    expect(await store.get("a")).toEqual(token("a"));
    await store.del("a");
    expect(await store.get("a")).toBeUndefined();
    await close();
  });

  it("lets tokens without a refresh token expire, and others after the retention", async () => {
    const prefix = newPrefix();
    const ttlOf = async (name: string) => {
      const ttls = await Promise.all((await client.keys(`${prefix}*:token`)).map((key) => client.pttl(key)));
      await client.del(await client.keys(`${prefix}*`));
      return { name, ttl: ttls[0] };
    };
    const store = redisTokenStore({ client, key: TEST_KEY, prefix });
    await store.set("a", { ...token("a"), refreshToken: null, expiresAt: Date.now() + 3_600_000 });
    expect((await ttlOf("a")).ttl).toBeGreaterThan(3_500_000);
    await store.set("a", token("a"));
    expect((await ttlOf("a")).ttl).toBe(-1);
    const days = 24 * 60 * 60;
    await redisTokenStore({ client, key: TEST_KEY, prefix, retention: 30 * days }).set("a", token("a"));
    expect((await ttlOf("a")).ttl).toBeGreaterThan(29 * days * 1000);
  });

  outageContract({
    title: "Redis",
    server: () => server,
    newStore: () => redisTokenStore({ client, key: TEST_KEY, prefix: newPrefix(), timeout: 1_000 }),
  });

  it("gives its owner the lease again, because ioredis repeats a request whose response was lost", async () => {
    const [records, owner] = [redisRecords(client, newPrefix()), randomUUID()];
    expect(await records.take("ab", owner, 60_000)).toBe(true);
    expect(await records.take("ab", owner, 60_000)).toBe(true);
    expect(await records.take("ab", randomUUID(), 60_000)).toBe(false);
  });

  it("names the code of Redis", async () => {
    const denied = { evalsha: () => undefined, eval: () => Promise.reject(new Error("NOPERM s3cr3t")) };
    const error = await redisTokenStore({ client: denied, key: TEST_KEY })
      .get("a")
      .catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/Redis failed: Error \(NOPERM\)/);
    expect(String(error)).not.toContain("s3cr3t");
  });
});

describe("redisTokenStore", () => {
  const anyClient = { evalsha: () => undefined, eval: async () => null };
  it.each([
    ["client", { client: {} as RedisClient, key: TEST_KEY }],
    ["client", { client: undefined as never, key: TEST_KEY }],
    ["key", { client: anyClient, key: new Uint8Array(16) }],
    ["key", { client: anyClient, key: [] }],
    ["prefix", { client: anyClient, key: TEST_KEY, prefix: "a{b}" }],
    ["timeout", { client: anyClient, key: TEST_KEY, timeout: 0 }],
    ["retention", { client: anyClient, key: TEST_KEY, retention: 0 }],
  ])("rejects an invalid %s", (option, options) => {
    expect(() => redisTokenStore(options)).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(option) }),
    );
  });
});
