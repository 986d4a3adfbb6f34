/** A throw-away Redis server that syncs each write to the disk. */
import { ensureInstalled } from "../../softhsm/install.js";
import { REDIS_DEPENDENCIES } from "./dependencies.js";
import { directoryOf, type ServerProcess, serverProcess } from "./server-process.js";

/** @throws {TokenUnavailable} If there is no Redis server on this machine. */
export async function redisServer(): Promise<ServerProcess> {
  const { "redis-server": path } = await ensureInstalled(REDIS_DEPENDENCIES);
  const directory = directoryOf(undefined, "hardproof-redis-");
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const args = (port: number) => ["--bind", "127.0.0.1", "--port", String(port), "--dir", directory, ...durable];
  return serverProcess({ path, args: (port) => [...args(port), "--logfile", `${directory}/log`], directory });
}
