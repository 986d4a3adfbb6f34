/** The SQL that an administrator runs: once to create the table, and regularly to delete old tokens. */
import { TokenStoreError } from "../index.js";

/** The table of tokens, if no other is named. */
export const DEFAULT_TABLE = "hardproof_tokens";

/**
 * Returns the SQL that creates the table, if it doesn't exist. It is one statement, for psql or a migration tool.
 *
 * @param table - The table, optionally with its schema. Default: `hardproof_tokens`.
 * @throws {TokenStoreError} With code `misconfigured` if that isn't the name of a table.
 */
export function postgresMigration(table: string = DEFAULT_TABLE): string {
  return `CREATE TABLE IF NOT EXISTS ${tableName(table)} (
  id text PRIMARY KEY,            -- SHA-256 of what the token is for
  token text,                     -- encrypted, base64
  delete_after timestamptz,       -- null: never
  lease_owner uuid,               -- of the current or last lease: only this owner may write
  lease_expires_at timestamptz    -- null: free
);`;
}

/**
 * Returns the SQL that deletes tokens whose time is over, and rows without a token. The store ignores them, so this only
 * frees space: run it once a day, for example by pg_cron.
 *
 * @param table - As for {@link postgresMigration}.
 * @throws {TokenStoreError} With code `misconfigured` if that isn't the name of a table.
 */
export function postgresPurge(table: string = DEFAULT_TABLE): string {
  return `DELETE FROM ${tableName(table)}
WHERE (delete_after < clock_timestamp() OR token IS NULL)
  AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp() - interval '1 day');`;
}

/** Returns the name in quotes. Other characters than these could be part of an SQL injection. */
export function tableName(table: string): string {
  if (typeof table !== "string" || !/^[A-Za-z_]\w{0,62}(\.[A-Za-z_]\w{0,62})?$/.test(table))
    throw new TokenStoreError("misconfigured", "table must be the name of a table: letters, digits and _.");
  return table
    .split(".")
    .map((part) => `"${part}"`)
    .join(".");
}
