/**
 * PostgreSQL for a leased token store. Each operation is one statement, so no connection has a state between two of them,
 * and times are those of the database's clock. Not the transaction's time: a statement may have waited for a lock.
 */
import { type LeasedRecords, TokenStoreError } from "../index.js";
import type { Query } from "./postgres-token-store.js";
import { tableName } from "./schema.js";

const NOW = "clock_timestamp()";

/** @param parameter - Milliseconds. `NOW` plus null is null. */
const after = (parameter: string) => `${NOW} + ${parameter}::float8 * interval '1 millisecond'`;

/** Returns records that are rows of this table. */
export function postgresRecords(query: Query, table: string): LeasedRecords {
  const name = tableName(table);
  const run = (text: string, params: (string | null)[]) => rowsOf(query, text, params, name);
  const succeeds = async (...args: Parameters<typeof run>) => (await run(...args)).length === 1;
  return {
    title: "The token store in PostgreSQL",
    isRemote: true,
    async get(id) {
      const select = `SELECT token FROM ${name} WHERE id = $1 AND (delete_after IS NULL OR delete_after > ${NOW})`;
      const [row] = (await run(select, [id])) as { token?: unknown }[];
      return typeof row?.token === "string" ? Buffer.from(row.token, "base64") : undefined;
    },
    take: (id, owner, duration) =>
      succeeds(
        `INSERT INTO ${name} AS t (id, lease_owner, lease_expires_at) VALUES ($1, $2::uuid, ${after("$3")})
          ON CONFLICT (id) DO UPDATE SET lease_owner = excluded.lease_owner, lease_expires_at = ${after("$3")}
          WHERE t.lease_expires_at IS NULL OR t.lease_expires_at <= ${NOW} OR t.lease_owner = excluded.lease_owner
          RETURNING id`,
        [id, owner, String(duration)],
      ),
    extend: (id, owner, duration) =>
      succeeds(
        `UPDATE ${name} SET lease_expires_at = ${after("$3")} WHERE id = $1 AND lease_owner = $2::uuid RETURNING id`,
        [id, owner, String(duration)],
      ),
    async release(id, owner) {
      const free = "lease_owner = NULL, lease_expires_at = NULL";
      await run(`UPDATE ${name} SET ${free} WHERE id = $1 AND lease_owner = $2::uuid RETURNING id`, [id, owner]);
    },
    set: (id, owner, value, keepFor) =>
      succeeds(
        `UPDATE ${name} SET token = $3, delete_after = ${after("$4")}
          WHERE id = $1 AND lease_owner = $2::uuid RETURNING id`,
        [id, owner, value.toString("base64"), keepFor === undefined ? null : String(keepFor)],
      ),
    del: (id, owner) =>
      succeeds(
        `UPDATE ${name} SET token = NULL, delete_after = NULL WHERE id = $1 AND lease_owner = $2::uuid RETURNING id`,
        [id, owner],
      ),
  };
}

/** SQLSTATE of a table and of a column that don't exist (PostgreSQL, appendix A). */
const NOT_MIGRATED = ["42P01", "42703"];
/** SQLSTATE of a statement that must be repeated, where the default isolation is stricter than READ COMMITTED. */
const SERIALIZATION_FAILURE = "40001";
const MAX_ATTEMPTS = 10;

async function rowsOf(
  query: Query,
  text: string,
  params: (string | null)[],
  table: string,
  attempts = MAX_ATTEMPTS,
): Promise<unknown[]> {
  try {
    const rows = await query(text, params);
    if (Array.isArray(rows)) return [...rows];
  } catch (reason) {
    const code = reason instanceof Error && "code" in reason ? String(reason.code) : "";
    if (code === SERIALIZATION_FAILURE && attempts > 1) return rowsOf(query, text, params, table, attempts - 1);
    if (!NOT_MIGRATED.includes(code)) throw reason;
    const problem = `PostgreSQL doesn't have the table ${table}, or it is another one`;
    throw new TokenStoreError("misconfigured", `${problem}. Run the SQL of postgresMigration() once.`);
  }
  throw new TokenStoreError("misconfigured", "query must return the rows: (await pool.query(text, params)).rows.");
}
