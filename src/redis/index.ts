/** A token store in Redis or Valkey: `hardproof/redis`. */
export type { GlideClient, IoRedisClient, NodeRedisClient, RedisClient } from "./redis-client.js";
export { type RedisTokenStoreOptions, redisTokenStore } from "./redis-token-store.js";
