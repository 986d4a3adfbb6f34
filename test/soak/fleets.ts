/** Fleets over each store. */

import { postgresMigration } from "hardproof/postgres";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { openStore, postgresClients, redisClients, type StoreDescription } from "../token-stores/open-store.js";
import { postgresServer, urlOf } from "../token-stores/postgres-server.js";
import { redisServer } from "../token-stores/redis-server.js";
import { type FleetReport, runFleet } from "./fleet.js";

/** How long to run, and with how many processes. */
export interface FleetSize {
  readonly processes: number;
  readonly seconds: number;
  readonly mortals: number;
}

/** Milliseconds. */
const FLEET_LEASE = 10_000;
/** Milliseconds. The longest wait for a token: for the lease of a killed process, and then for a token request. */
const LIMIT = FLEET_LEASE + 5_000;
/** Seconds. */
const TOKEN_LIFETIME = 2;
const TABLE = "hardproof_tokens";

const run = async (size: FleetSize, store: (index: number) => StoreDescription, server?: StoreServer) => {
  await using observer = await openStore(store(0));
  return await runFleet({
    ...size,
    tokenLifetime: TOKEN_LIFETIME,
    store,
    observer: observer.store,
    ...(server && { server }),
  });
};
type StoreServer = Awaited<ReturnType<typeof redisServer>>;

/** Runs a fleet over each kind of store. */
export const fleets: Record<"file" | "Redis" | "PostgreSQL", (size: FleetSize) => Promise<FleetReport>> = {
  file: async (size) => {
    const directory = makeTempDirectory("hardproof-fleet-");
    try {
      return await run(size, () => ({ kind: "file", directory, lease: FLEET_LEASE }));
    } finally {
      removeTempDirectory(directory);
    }
  },
  Redis: async (size) => {
    await using server = await redisServer();
    const clients = Object.keys(redisClients) as (keyof typeof redisClients)[];
    const { port } = server;
    const store = (index: number) =>
      ({ kind: "redis", client: pick(clients, index), port, prefix: "fleet:", lease: FLEET_LEASE }) as const;
    return await run(size, store, server);
  },
  PostgreSQL: async (size) => {
    await using server = await postgresServer();
    const clients = Object.keys(postgresClients) as (keyof typeof postgresClients)[];
    const url = urlOf(server);
    const { client: query, close } = await postgresClients.pg(url);
    await query(postgresMigration(TABLE), []);
    await close();
    const store = (index: number) =>
      ({ kind: "postgres", client: pick(clients, index), url, table: TABLE, lease: FLEET_LEASE }) as const;
    return await run(size, store, server);
  },
};

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

/** What a fleet did wrong, however slow the machine is. */
export function problemsOf({ grantLives, refreshes, usedTwice, errors, errorsInOutage }: FleetReport): string[] {
  const unclear = Object.keys(errorsInOutage).filter((error) => error !== "TokenStoreError unavailable");
  return [
    ...(grantLives ? [] : ["The grant was revoked."]),
    ...(refreshes < 2 ? [`There were only ${refreshes} refreshes.`] : []),
    ...(usedTwice > 0 ? [`${usedTwice} refresh tokens were used twice.`] : []),
    ...[...Object.keys(errors), ...unclear].map((error) => `Unexpected error: ${error}.`),
  ];
}

/** What took longer than the lease of a killed process and a token request, on a machine with time for it. */
export function delaysOf(report: FleetReport, { seconds }: FleetSize): string[] {
  const { refreshes, longestCall, longestStart, silences } = report;
  return [
    ...(refreshes < seconds / (2 * TOKEN_LIFETIME) ? [`There were only ${refreshes} refreshes.`] : []),
    ...(longestCall > LIMIT ? [`A call took ${longestCall} ms.`] : []),
    ...(longestStart > 2 * LIMIT ? [`A process had its first token after ${longestStart} ms.`] : []),
    ...silences.flatMap((silence, n) => (silence > LIMIT ? [`Process ${n} had no token for ${silence} ms.`] : [])),
  ];
}
