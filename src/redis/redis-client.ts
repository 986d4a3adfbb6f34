/** The clients for Redis and Valkey, by the one method that each of them needs. None of them is a dependency. */
import { TokenStoreError } from "../index.js";

/** A client, pool or cluster of `redis` (node-redis). */
export interface NodeRedisClient {
  /** Runs a Lua script. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Distinguishes the client from others. */
  evalSha: unknown;
}

/** A client or cluster of `ioredis` or `iovalkey`. */
export interface IoRedisClient {
  /** Runs a Lua script. */
  eval(script: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  /** Distinguishes the client from others. */
  evalsha: unknown;
}

/** A client or cluster client of `@valkey/valkey-glide`. */
export interface GlideClient {
  /** Runs a command, which is `EVAL` with a Lua script. */
  customCommand(args: string[]): Promise<unknown>;
}

/** A connected client of any of these packages. */
export type RedisClient = NodeRedisClient | IoRedisClient | GlideClient;

/** Runs a Lua script, which is atomic, and routed to the right node of a cluster by its keys. */
export type RunScript = (script: string, keys: string[], args: string[]) => Promise<unknown>;

/** @throws {TokenStoreError} With code `misconfigured` if the client isn't one of the known ones. */
export function scriptRunner(client: RedisClient): RunScript {
  const { customCommand, evalSha, evalsha } = Object(client);
  if (typeof customCommand === "function") return byGlide(client as GlideClient);
  if (typeof evalSha === "function") return byNodeRedis(client as NodeRedisClient);
  if (typeof evalsha === "function") return byIoRedis(client as IoRedisClient);
  const known = "redis, ioredis, iovalkey or @valkey/valkey-glide";
  throw new TokenStoreError("misconfigured", `client must be a client of ${known}.`);
}

function byNodeRedis(client: NodeRedisClient): RunScript {
  return (script, keys, args) => client.eval(script, { keys, arguments: args });
}

function byIoRedis(client: IoRedisClient): RunScript {
  return (script, keys, args) => client.eval(script, keys.length, ...keys, ...args);
}

function byGlide(client: GlideClient): RunScript {
  return (script, keys, args) => client.customCommand(["EVAL", script, String(keys.length), ...keys, ...args]);
}
