/** Starts programs that run in the background, can be killed, and never outlive this process, however it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** A running program. */
export interface Daemon {
  /** Kills the program and its child processes with SIGKILL. Resolves when they have ended. */
  kill(): Promise<void>;
}

/** Options of {@link startDaemon}. */
export interface DaemonOptions {
  env?: Record<string, string>;
  /** Path of the file for standard error. A pipe would block a program that writes a lot. */
  log: string;
  /** Polled until it returns true. */
  ready(): boolean | Promise<boolean>;
}

/**
 * Runs the program in a process group that ends when the shell's standard input does, which happens even if this
 * process is killed. `$0` is the log. The process group is separate, so Ctrl-C doesn't reach it.
 */
const SCRIPT =
  'exec 3<&0 2>"$0"; "$@" 3<&- </dev/null & program=$!; { read _ <&3; kill -9 0; } & wait $program; kill -9 0';
/** Milliseconds. */
const START_TIMEOUT = 10_000;
const POLL_INTERVAL = 10;

/** @throws If the program ends, or isn't ready within 10 seconds. The message contains the end of its log. */
export async function startDaemon(path: string, args: readonly string[], options: DaemonOptions): Promise<Daemon> {
  const child = spawn("/bin/sh", ["-c", SCRIPT, options.log, path, ...args], {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  // The daemon must not keep this process alive.
  const handles = [child, ...[child.stdin, child.stdout].filter((stream) => stream instanceof Socket)];
  for (const handle of handles) handle.unref();
  // None of these programs writes to standard output. It ends when the last process of the group has ended.
  child.stdout.resume();
  const ended = once(child, "close");
  const kill = async () => {
    for (const handle of handles) handle.ref();
    child.stdin.destroy();
    await ended;
  };
  try {
    await untilReady(child, options.ready);
    return { kill };
  } catch (error) {
    await kill();
    const log = readFileSync(options.log, "utf8").slice(-2000);
    throw new Error(`${path} ${args.join(" ")} did not start:\n${log}`, { cause: error });
  }
}

async function untilReady(child: ChildProcess, ready: DaemonOptions["ready"]): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT;
  while (!(await ready())) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("The program ended.");
    if (Date.now() > deadline) throw new Error(`The program was not ready within ${START_TIMEOUT} ms.`);
    await wait(POLL_INTERVAL);
  }
}

/** Returns whether a server accepts connections on the socket. The socket's file exists slightly earlier. */
export function acceptsConnections(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}
