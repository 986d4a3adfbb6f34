/** A throw-away Redis server that syncs each write to the disk. */
import { setTimeout as wait } from "node:timers/promises";
import { run } from "../../softhsm/command.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { REDIS_DEPENDENCIES } from "./dependencies.js";
import { directoryOf, freePort, type ServerProcess, serverProcess } from "./server-process.js";

/**
 * @param options - More options of the command line.
 * @throws {TokenUnavailable} If there is no Redis server on this machine.
 */
export async function redisServer(options: readonly string[] = []): Promise<ServerProcess> {
  const { "redis-server": path } = await ensureInstalled(REDIS_DEPENDENCIES);
  const directory = directoryOf(undefined, "hardproof-redis-");
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const fixed = ["--bind", "127.0.0.1", "--dir", directory, "--logfile", `${directory}/log`, ...durable, ...options];
  return serverProcess({ path, args: (port) => ["--port", String(port), ...fixed], directory });
}

/** Starts a cluster of one node, which rejects commands with keys of different slots as any other does. */
export async function redisCluster(): Promise<ServerProcess> {
  const { "redis-cli": cli } = await ensureInstalled(REDIS_DEPENDENCIES);
  const bus = ["--cluster-port", String(await freePort()), "--cluster-announce-ip", "127.0.0.1"];
  const server = await redisServer(["--cluster-enabled", "yes", ...bus]);
  const cluster = (...args: string[]) => run(cli, ["-p", String(server.port), "CLUSTER", ...args]);
  await cluster("ADDSLOTSRANGE", "0", "16383");
  while (!(await cluster("INFO")).includes("cluster_state:ok")) await wait(50);
  return server;
}
