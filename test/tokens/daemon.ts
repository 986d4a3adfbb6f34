/** A program that runs beside this process, can be killed, and never outlives it, however this process ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export interface Daemon {
  /** SIGKILL, to all that it has forked as well; returns when they are gone. */
  kill(): Promise<void>;
}

export interface DaemonOptions {
  env?: Record<string, string>;
  /** Takes what the program says: one that writes much to a pipe would wait for this process to read it. */
  log: string;
  /** Asked again and again until it says that the program is ready. */
  ready(): boolean | Promise<boolean>;
}

/**
 * `$0` is the log. The shell ends with the program, and the program when the shell's standard input does: even a
 * process that is killed closes that. Both are in a process group of their own, so that Ctrl-C is not theirs.
 */
const LEASH =
  'exec 3<&0 2>"$0"; "$@" 3<&- </dev/null & program=$!; { read _ <&3; kill -9 0; } & wait $program; kill -9 0';
const START = 10_000;
const PAUSE = 10;

/** @throws with all that the program said, if it ends or is not ready in 10 seconds */
export async function startDaemon(path: string, args: readonly string[], options: DaemonOptions): Promise<Daemon> {
  const child = spawn("/bin/sh", ["-c", LEASH, options.log, path, ...args], {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  // This process may end while the program runs.
  const handles = [child, ...[child.stdin, child.stdout].filter((stream) => stream instanceof Socket)];
  for (const held of handles) held.unref();
  // Standard output, on which none of these programs says anything, ends when the last process of the group is gone.
  child.stdout.resume();
  const gone = once(child, "close");
  const kill = async () => {
    for (const held of handles) held.ref();
    child.stdin.destroy();
    await gone;
  };
  try {
    await untilReady(child, options.ready);
    return { kill };
  } catch (error) {
    await kill();
    const said = readFileSync(options.log, "utf8").slice(-2000);
    throw new Error(`${path} ${args.join(" ")} did not start:\n${said}`, { cause: error });
  }
}

async function untilReady(child: ChildProcess, ready: DaemonOptions["ready"]): Promise<void> {
  const deadline = Date.now() + START;
  while (!(await ready())) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("It ended.");
    if (Date.now() > deadline) throw new Error(`It was not ready in ${START} ms.`);
    await wait(PAUSE);
  }
}

/** Whether somebody listens on a socket: its file is there a moment earlier. */
export function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}
