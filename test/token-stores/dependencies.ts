/** The servers of the token stores. Only Debian's packages are tested; the other names come from their distributions. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { commandPath } from "../../softhsm/command.js";
import type { Dependency } from "../../softhsm/dependencies.js";

/** The dependencies of a Redis server. */
export const REDIS_DEPENDENCIES = {
  "redis-server": {
    title: "redis-server",
    find: () => commandPath("redis-server") ?? commandPath("valkey-server"),
    packages: { "apt-get": "redis-server", dnf: "valkey", apk: "redis", brew: "redis" },
  },
  "redis-cli": {
    title: "redis-cli",
    find: () => commandPath("redis-cli") ?? commandPath("valkey-cli"),
    packages: { "apt-get": "redis-tools", dnf: "valkey", apk: "redis", brew: "redis" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of a PostgreSQL server, and of the pooler in front of it. */
export const POSTGRES_DEPENDENCIES = {
  postgres: postgresProgram("postgres"),
  initdb: postgresProgram("initdb"),
  pgbouncer: {
    title: "PgBouncer",
    find: () => commandPath("pgbouncer"),
    packages: { "apt-get": "pgbouncer", dnf: "pgbouncer", apk: "pgbouncer", brew: "pgbouncer" },
  },
} satisfies Record<string, Dependency>;

function postgresProgram(name: string): Dependency {
  return {
    title: `PostgreSQL's ${name}`,
    find: () => newestOnDebian(name) ?? commandPath(name),
    packages: { "apt-get": "postgresql", dnf: "postgresql-server", apk: "postgresql", brew: "postgresql" },
  };
}

/** Debian has a directory for each version, which isn't in PATH. */
function newestOnDebian(name: string): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!statSync(root, { throwIfNoEntry: false })) return undefined;
  const versions = readdirSync(root).sort((one, other) => Number(other) - Number(one));
  const paths = versions.map((version) => join(root, version, "bin", name));
  return paths.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}
