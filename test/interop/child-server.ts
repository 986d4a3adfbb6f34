/** A server that runs as a process of its own, and ends with this one. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How a server is started. */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it prints when it listens. */
  readonly ready: string | RegExp;
  /** Milliseconds. Default: 120,000. */
  readonly timeout?: number;
}

/**
 * Starts a server and waits until it listens.
 *
 * @returns What stops it, with its children.
 * @throws {Error} With the end of its output, if it ends or doesn't listen in time.
 */
export async function startServer(command: ServerCommand): Promise<AsyncDisposable> {
  const child = spawn("nice", [command.program, ...command.args], {
    detached: true, // A process group of its own, which is stopped as a whole.
    stdio: ["ignore", "pipe", "pipe"],
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
  });
  const stop = stopper(child);
  try {
    await listening(child, command);
    return { [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves when the server listens. Afterwards, its output is discarded. */
async function listening(child: ChildProcess, { program, ready, timeout = 120_000 }: ServerCommand): Promise<void> {
  let output = "";
  const isReady = new Promise<true>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => {
        output = (output + chunk).slice(-10_000);
        if (typeof ready === "string" ? output.includes(ready) : ready.test(output)) resolve(true);
      });
  });
  const timer = new AbortController();
  const { signal } = timer;
  const ended = once(child, "exit", { signal }).then(() => false);
  const late = sleep(timeout, false, { signal });
  for (const promise of [ended, late]) promise.catch(() => undefined);
  const isListening = await Promise.race([isReady, ended, late]);
  timer.abort();
  if (!isListening) throw new Error(`${program} did not start:\n${output}`);
}

function stopper(child: ChildProcess): () => Promise<void> {
  const exited = once(child, "exit");
  const kill = () => {
    if (child.exitCode === null && child.signalCode === null && child.pid) process.kill(-child.pid, "SIGKILL");
  };
  const killAndExit = () => process.exit(1); // It calls `kill`.
  process.once("exit", kill);
  process.once("SIGINT", killAndExit).once("SIGTERM", killAndExit);
  return async () => {
    kill();
    await exited;
    process.off("exit", kill).off("SIGINT", killAndExit).off("SIGTERM", killAndExit);
  };
}

/** Returns a port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error(`The server has no port: ${address}`);
  return address.port;
}
