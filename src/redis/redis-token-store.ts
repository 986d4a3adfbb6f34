/** A token store in Redis or Valkey, which the processes of many hosts share. */
import { type LeasedRecordsOptions, leasedTokenStore, type TokenStore, TokenStoreError } from "../index.js";
import type { RedisClient } from "./redis-client.js";
import { redisRecords } from "./redis-records.js";

/** Options of {@link redisTokenStore}. */
export interface RedisTokenStoreOptions extends LeasedRecordsOptions {
  /** A connected client of `redis`, `ioredis`, `iovalkey` or `@valkey/valkey-glide`. Close it after the last use. */
  client: RedisClient;
  /** The start of each key in Redis. Default: `hardproof:`. */
  prefix?: string | undefined;
}

/**
 * Creates a store in Redis or Valkey, a single server or a cluster. Tokens are encrypted before they are sent,
 * and `key` never reaches Redis.
 *
 * @example
 * ```ts
 * const store = redisTokenStore({ client: await createClient({ url }).connect(), key });
 * const source = tokenSource({ ...options, store });
 * ```
 * @throws {TokenStoreError} With code `misconfigured` if an option is invalid. The store's methods throw `unreadable` if
 *   a token can't be decrypted, `unavailable` if Redis fails, `lease-lost` if a write came too late.
 */
export function redisTokenStore(options: RedisTokenStoreOptions): TokenStore {
  const { client, prefix = "hardproof:", ...others } = Object(options) as RedisTokenStoreOptions;
  if (typeof prefix !== "string" || /[{}]/.test(prefix))
    throw new TokenStoreError("misconfigured", "prefix must be a string without { and }.");
  return leasedTokenStore(redisRecords(client, prefix), others);
}
