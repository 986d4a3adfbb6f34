/** A token store that processes share: encrypted tokens, and a lock that is a lease. */
import { AsyncLocalStorage } from "node:async_hooks";
import { hash } from "node:crypto";
import { TokenStoreError } from "../errors.js";
import { Lease } from "./lease.js";
import { type LeasedRecords, withinTime } from "./leased-records.js";
import { type SealingKey, sealing } from "./sealing.js";
import type { LockOptions, StoredToken, TokenStore } from "./token-store.js";
import { Turns } from "./turns.js";

/** Options of each store with a lock for several processes. */
export interface LeasedTokenStoreOptions {
  /**
   * Encrypts the tokens: an AES-256 key of 32 bytes or a passphrase. Of a list, the first key encrypts and all of them
   * decrypt, so that a key can be replaced: add the new one at the end everywhere, then move it to the front, then remove
   * the old one.
   */
  key: SealingKey | readonly SealingKey[];
  /**
   * Milliseconds after which another process gets the lock of a process that was killed or doesn't run. It is extended
   * while a process works. Make it at least twice as long as your database needs to restart or fail over: a third of it may
   * be over when that begins, and clients pause before they connect again. Default: 15,000.
   */
  lease?: number | undefined;
}

/** Options of {@link leasedTokenStore}. */
export interface LeasedRecordsOptions extends LeasedTokenStoreOptions {
  /** Milliseconds. The limit of each operation. Default: 5,000. */
  timeout?: number | undefined;
  /**
   * Seconds after its last write at which a token with a refresh token may be deleted. Default: never. A token without one
   * may be deleted a minute after it has expired.
   */
  retention?: number | undefined;
}

const DEFAULT_LEASE = 15_000;
const DEFAULT_TIMEOUT = 5_000;
const SHORTEST_LEASE = 100;
const LONGEST_LEASE = 24 * 60 * 60 * 1000;
/** Milliseconds for which a token is stored after it has expired. */
const GRACE = 60_000;

/**
 * Creates a store from six operations on a database, as `redisTokenStore` and `postgresTokenStore` do.
 *
 * @throws {TokenStoreError} With code `misconfigured` if an option is invalid. The store's methods throw `unreadable` if
 *   a token can't be decrypted, `unavailable` if the database fails, `lease-lost` if a write came too late.
 */
export function leasedTokenStore(database: LeasedRecords, options: LeasedRecordsOptions): TokenStore {
  const { key, lease = DEFAULT_LEASE, timeout = DEFAULT_TIMEOUT, retention } = options;
  const { seal, open } = sealing(key);
  const duration = Math.ceil(inRange("lease", lease, SHORTEST_LEASE, LONGEST_LEASE));
  const records = withinTime(database, inRange("timeout", timeout, 1));
  const retentionMs = retention === undefined ? undefined : inRange("retention", retention, 1) * 1000;
  const turns = new Turns();
  /**
   * The leases of the work that calls, by id: its writes use them. Other writes wait for the lock, including those of what
   * the work has started and that runs after its end.
   */
  const leases = new AsyncLocalStorage<ReadonlyMap<string, Lease>>();

  const lock = (id: string, work: (lease: Lease) => Promise<void>, { signal }: LockOptions = {}) =>
    turns.run(id, async () => runWithLease(await Lease.take({ records, id, duration, signal }), id, work), signal);

  async function runWithLease(lease: Lease, id: string, work: (lease: Lease) => Promise<void>): Promise<void> {
    try {
      await leases.run(new Map([...(leases.getStore() ?? []), [id, lease]]), () => work(lease));
    } finally {
      await lease.end();
    }
  }

  async function write(name: string, operation: Parameters<Lease["write"]>[0]): Promise<void> {
    const id = idOf(name);
    const current = leases.getStore()?.get(id);
    if (current && !current.hasEnded) await current.write(operation);
    else await lock(id, (lease) => lease.write(operation));
  }

  return {
    async get(name) {
      const id = idOf(name);
      const value = await records.get(id);
      if (value === undefined) return undefined;
      return open(name, Buffer.from(value)).catch((cause) => {
        throw unreadable(database, id, cause);
      });
    },
    async set(name, token) {
      const value = await seal(name, token);
      await write(name, (id, owner) => records.set(id, owner, value, keepFor(token, retentionMs)));
    },
    del: (name) => write(name, (id, owner) => records.del(id, owner)),
    lock: (name, work, options) => lock(idOf(name), () => work(), options),
  };
}

/** Hides the token's key, which names its user and its server. */
function idOf(name: string): string {
  return hash("sha256", name);
}

function inRange(option: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && value >= minimum && value <= maximum) return value;
  throw new TokenStoreError("misconfigured", `${option} must be a number from ${minimum} to ${maximum}.`);
}

/** @returns Milliseconds, or `undefined` for no limit. */
function keepFor({ refreshToken, expiresAt }: StoredToken, retention: number | undefined): number | undefined {
  if (refreshToken !== null || expiresAt === null) return retention;
  return Math.max(expiresAt - Date.now(), 0) + GRACE;
}

function unreadable({ title }: LeasedRecords, id: string, cause: unknown): TokenStoreError {
  const message = `${title} has a token, ${id}, that can't be decrypted: it is damaged, or encrypted with a different key.`;
  return new TokenStoreError("unreadable", `${message} Delete it, or use the right key.`, { cause });
}
