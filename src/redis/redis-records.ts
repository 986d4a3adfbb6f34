/**
 * Redis for a leased token store. Each token has three keys with the same hash tag, so that they are in one slot of a
 * cluster:
 *
 * - `PREFIX{ID}:token`: the encrypted token in base64.
 * - `PREFIX{ID}:lock`: the owner of the lease. Redis deletes it when the lease ends.
 * - `PREFIX{ID}:fence`: the owner of the last lease, after its end as well. Only this owner may write.
 */
import type { LeasedRecords } from "../index.js";
import { type RedisClient, scriptRunner } from "./redis-client.js";

/** Milliseconds for which an owner whose lease has ended may write, if there is no other one. */
const FENCE_LIFETIME = 24 * 60 * 60 * 1000;

const GET = "return redis.call('GET', KEYS[1])";

/** ioredis and iovalkey send a script again if the connection was lost before its response arrived. */
const TAKE = `local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1`;

const EXTEND = `if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1`;

const RELEASE = `for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 1`;

const SET = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return 1`;

const DEL = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
return 1`;

/** Returns records whose keys start with the prefix. */
export function redisRecords(client: RedisClient, prefix: string): LeasedRecords {
  const run = scriptRunner(client);
  const keys = (id: string, ...names: string[]) => names.map((name) => `${prefix}{${id}}:${name}`);
  const succeeds = async (...args: Parameters<typeof run>) => Number(await run(...args)) === 1;
  const [lifetime, milliseconds] = [String(FENCE_LIFETIME), (time: number) => String(Math.ceil(time))];
  return {
    title: "The token store in Redis",
    isRemote: true,
    async get(id) {
      const value = await run(GET, keys(id, "token"), []);
      return typeof value === "string" || value instanceof Uint8Array ? fromBase64(value) : undefined;
    },
    take: (id, owner, duration) => succeeds(TAKE, keys(id, "lock", "fence"), [owner, milliseconds(duration), lifetime]),
    extend: (id, owner, duration) =>
      succeeds(EXTEND, keys(id, "lock", "fence"), [owner, milliseconds(duration), lifetime]),
    async release(id, owner) {
      await run(RELEASE, keys(id, "lock", "fence"), [owner]);
    },
    set: (id, owner, value, keepFor) => {
      const args = [owner, value.toString("base64"), keepFor === undefined ? "" : milliseconds(keepFor)];
      return succeeds(SET, keys(id, "fence", "token"), args);
    },
    del: (id, owner) => succeeds(DEL, keys(id, "fence", "token"), [owner]),
  };
}

/** Some clients return bytes rather than text, by an option. */
function fromBase64(value: string | Uint8Array): Buffer {
  return Buffer.from(typeof value === "string" ? value : Buffer.from(value).toString("latin1"), "base64");
}
