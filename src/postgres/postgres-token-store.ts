/** A token store in PostgreSQL, which the processes of many hosts share. */
import { type LeasedRecordsOptions, leasedTokenStore, type TokenStore, TokenStoreError } from "../index.js";
import { postgresRecords } from "./postgres-records.js";
import { DEFAULT_TABLE } from "./schema.js";

/**
 * Runs one statement with its parameters `$1`, `$2`, …, which are strings or null, and returns its rows. Any connection of
 * a pool can run it, and none has a state afterwards.
 */
export type Query = (text: string, params: (string | null)[]) => PromiseLike<readonly unknown[]>;

/** Options of {@link postgresTokenStore}. */
export interface PostgresTokenStoreOptions extends LeasedRecordsOptions {
  /**
   * Runs a statement:
   *
   * - `pg`: `(text, params) => pool.query(text, params).then(({ rows }) => rows)`
   * - `postgres`: `(text, params) => sql.unsafe(text, params)`
   */
  query: Query;
  /** The table that {@link postgresMigration} created, optionally with its schema. Default: `hardproof_tokens`. */
  table?: string | undefined;
}

/**
 * Creates a store in PostgreSQL, by any pool, including PgBouncer in transaction mode. Tokens are encrypted before they
 * are sent, and `key` never reaches the database.
 *
 * @example
 * ```ts
 * const query = (text, params) => pool.query(text, params).then(({ rows }) => rows); // pg
 * const source = tokenSource({ ...options, store: postgresTokenStore({ query, key }) });
 * ```
 * @throws {TokenStoreError} With code `misconfigured` if an option is invalid or the table doesn't exist. The store's
 *   methods throw `unreadable` if a token can't be decrypted, `unavailable` if PostgreSQL fails, `lease-lost` if a write
 *   came too late.
 */
export function postgresTokenStore(options: PostgresTokenStoreOptions): TokenStore {
  const { query, table = DEFAULT_TABLE, ...others } = Object(options) as PostgresTokenStoreOptions;
  if (typeof query !== "function") throw new TokenStoreError("misconfigured", "query must be a function.");
  return leasedTokenStore(postgresRecords(query, table), others);
}
