/** A throw-away PostgreSQL server, and PgBouncer in front of it. */
import { writeFileSync } from "node:fs";
import pg from "pg";
import { run } from "../../softhsm/command.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { POSTGRES_DEPENDENCIES } from "./dependencies.js";
import { commandAs, directoryOf, type ServerProcess, serverProcess, UNPRIVILEGED } from "./server-process.js";

/** @throws {TokenUnavailable} If there is no PostgreSQL server on this machine. */
export async function postgresServer(): Promise<ServerProcess> {
  const paths = await ensureInstalled(POSTGRES_DEPENDENCIES);
  const directory = directoryOf(UNPRIVILEGED, "hardproof-postgres-");
  const data = `${directory}/data`;
  const [program = "", ...args] = commandAs(UNPRIVILEGED, [paths.initdb, "-D", data, "-U", "postgres", "-A", "trust"]);
  await run(program, [...args, "--no-sync", "--locale=C"]);
  const options = ["listen_addresses=127.0.0.1", `unix_socket_directories=${directory}`, "max_connections=60"];
  return serverProcess({
    path: paths.postgres,
    asUser: UNPRIVILEGED,
    args: (port) => ["-D", data, "-p", String(port), ...options.flatMap((option) => ["-c", option])],
    ready: answersQueries,
    directory,
  });
}

/** The server accepts connections before it has recovered. */
async function answersQueries(port: number): Promise<boolean> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
  client.on("error", () => undefined);
  const isReady = await client.connect().then(
    () => true,
    () => false,
  );
  await client.end().catch(() => undefined);
  return isReady;
}

/** Starts PgBouncer in transaction mode, with fewer connections than its clients have. */
export async function pgBouncer(postgres: ServerProcess): Promise<ServerProcess> {
  const { pgbouncer } = await ensureInstalled(POSTGRES_DEPENDENCIES);
  const directory = directoryOf(UNPRIVILEGED, "hardproof-pgbouncer-");
  const file = `${directory}/pgbouncer.ini`;
  const database = `* = host=127.0.0.1 port=${postgres.port} user=postgres`;
  return serverProcess({
    path: pgbouncer,
    asUser: UNPRIVILEGED,
    args: (port) => {
      const options = ["listen_addr = 127.0.0.1", `listen_port = ${port}`, "auth_type = any", "unix_socket_dir ="];
      const pool = ["pool_mode = transaction", "default_pool_size = 2"];
      writeFileSync(file, ["[databases]", database, "[pgbouncer]", ...options, ...pool, ""].join("\n"));
      return [file];
    },
    directory,
  });
}

/** Returns the address of a server or a pooler for a client. */
export const urlOf = ({ port }: ServerProcess) => `postgres://postgres@127.0.0.1:${port}/postgres`;
