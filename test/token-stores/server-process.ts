/** Database servers of the tests, which can be killed and started again. */

import { once } from "node:events";
import { chownSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { makeTempDirectory, memoryDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { type Daemon, startDaemon } from "../tokens/daemon.js";

/** A server on a port of 127.0.0.1. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number;
  /** Kills the server by SIGKILL. Connections break, and what wasn't synced is lost. */
  kill(): Promise<void>;
  /** Starts the server again, with its data. */
  start(): Promise<void>;
}

/** How to start a server. */
export interface ServerCommand {
  readonly path: string;
  /** Not root, where the server refuses to run as root. */
  readonly asUser?: User | undefined;
  args(port: number): string[];
  /** Whether the server is ready. Default: when it accepts connections. */
  readonly ready?: (port: number) => Promise<boolean>;
  /** A directory for the log, which is removed at the end. */
  readonly directory: string;
}

/** PostgreSQL doesn't start while processes of a killed server exist, and those end a moment later. */
const ATTEMPTS = 20;
/** Milliseconds. */
const PAUSE = 250;

/** Starts a server. */
export async function serverProcess(command: ServerCommand): Promise<ServerProcess> {
  const { path, asUser, args, directory, ready = acceptsConnections } = command;
  const port = await freePort();
  let daemon: Daemon | undefined;
  const kill = async () => daemon?.kill();
  const startOnce = () => {
    const [program = path, ...rest] = commandAs(asUser, [path, ...args(port)]);
    return startDaemon(program, rest, { log: `${directory}/log`, ready: () => ready(port) });
  };
  const start = async (attempts = ATTEMPTS) => {
    daemon = await startOnce().catch(async (reason) => {
      if (attempts <= 1) throw reason;
      await wait(PAUSE);
      await start(attempts - 1);
      return daemon;
    });
  };
  await start();
  return {
    port,
    kill,
    start: () => start(),
    async [Symbol.asyncDispose]() {
      await kill();
      removeTempDirectory(directory);
    },
  };
}

/** A user of this machine. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user `nobody` if this process runs as root: some servers refuse to run as root. */
export const UNPRIVILEGED: User | undefined = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

/** Returns the command that runs another one as the user. */
export function commandAs(user: User | undefined, command: string[]): string[] {
  if (!user) return command;
  return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...command];
}

/** Makes a directory that the user owns, in memory if possible: the servers sync each write. */
export function directoryOf(user: User | undefined, prefix: string): string {
  const directory = makeTempDirectory(prefix, memoryDirectory());
  if (user) chownSync(directory, user.uid, user.gid);
  return directory;
}

/** Returns a free port, for servers that can't choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, "127.0.0.1", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}
