/** A token store in PostgreSQL: `hardproof/postgres`. */
export { type PostgresTokenStoreOptions, postgresTokenStore, type Query } from "./postgres-token-store.js";
export { postgresMigration, postgresPurge } from "./schema.js";
