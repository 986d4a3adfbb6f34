/** Opens a token store by a description that other processes can open, too. */
import { encryptedTokenStore, type TokenStore } from "hardproof";
import { postgresTokenStore, type Query } from "hardproof/postgres";
import { type RedisClient, redisTokenStore } from "hardproof/redis";

/** Which store to open. */
export type StoreDescription = { readonly lease?: number } & (
  | { kind: "file"; directory: string }
  | { kind: "redis"; client: keyof typeof redisClients; port: number; prefix: string }
  | { kind: "postgres"; client: keyof typeof postgresClients; url: string; table: string }
);

/** A store, and what must be closed after it. */
export interface OpenStore extends AsyncDisposable {
  readonly store: TokenStore;
}

interface Connection<Client> {
  readonly client: Client;
  close(): unknown;
}

/** A connection that breaks is an event, which would end the process without a listener. */
const ignore = () => undefined;

type Connect<Address, Client> = (address: Address) => Promise<Connection<Client>>;

/** Connects each client for Redis. They are loaded when they are used, since programs of the tests use one. */
export const redisClients = {
  redis: async (port) => {
    const { createClient } = await import("redis");
    const client = createClient({ url: `redis://127.0.0.1:${port}` }).on("error", ignore);
    await client.connect();
    return { client, close: () => client.destroy() };
  },
  ioredis: async (port) => {
    const { Redis } = await import("ioredis");
    const client = new Redis(port, "127.0.0.1").on("error", ignore);
    return { client, close: () => client.disconnect() };
  },
  iovalkey: async (port) => {
    const { Redis } = await import("iovalkey");
    const client = new Redis(port, "127.0.0.1").on("error", ignore);
    return { client, close: () => client.disconnect() };
  },
  glide: async (port) => {
    const { GlideClient } = await import("@valkey/valkey-glide");
    const client = await GlideClient.createClient({ addresses: [{ host: "127.0.0.1", port }], requestTimeout: 2000 });
    return { client, close: () => client.close() };
  },
} satisfies Record<string, Connect<number, RedisClient>>;

/** Connects each client for PostgreSQL. */
export const postgresClients = {
  pg: async (url) => {
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ connectionString: url, max: 4 }).on("error", ignore);
    return { client: (text, params) => pool.query(text, params).then(({ rows }) => rows), close: () => pool.end() };
  },
  postgres: async (url) => {
    const { default: postgres } = await import("postgres");
    const sql = postgres(url, { max: 4 });
    return { client: (text, params) => sql.unsafe(text, params), close: () => sql.end({ timeout: 1 }) };
  },
} satisfies Record<string, Connect<string, Query>>;

/** The key of all stores of the tests. */
export const TEST_KEY = new Uint8Array(32).fill(7);

/** @param key - Default: {@link TEST_KEY}. */
export async function openStore(
  description: StoreDescription,
  key: Uint8Array | readonly Uint8Array[] = TEST_KEY,
): Promise<OpenStore> {
  const { kind, lease } = description;
  if (kind === "file") return opened(encryptedTokenStore({ directory: description.directory, key, lease }));
  if (kind === "redis") {
    const { client, close } = await redisClients[description.client](description.port);
    return opened(redisTokenStore({ client, key, lease, prefix: description.prefix }), close);
  }
  const { client: query, close } = await postgresClients[description.client](description.url);
  return opened(postgresTokenStore({ query, key, lease, table: description.table }), close);
}

function opened(store: TokenStore, close: () => unknown = ignore): OpenStore {
  return {
    store,
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}
