/** A program that runs beside this process, can be killed, and never outlives it, however this process ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export interface Daemon {
  /** SIGKILL, to all that it has forked as well; returns when they are gone. */
  kill(): Promise<void>;
}

export interface DaemonOptions {
  env?: Record<string, string>;
  /** Asked again and again until it says that the program is ready. */
  ready(): boolean | Promise<boolean>;
}

/**
 * The shell ends with the program, and the program when the shell's standard input does: even a process that is killed
 * closes that. Both are in a process group of their own, so that Ctrl-C is not theirs.
 */
const LEASH = 'exec 3<&0; "$@" 3<&- </dev/null & program=$!; { read _ <&3; kill -9 0; } & wait $program; kill -9 0';
const START = 10_000;
const PAUSE = 10;

/** @throws with all that the program said, if it ends or is not ready in 10 seconds */
export async function startDaemon(path: string, args: readonly string[], options: DaemonOptions): Promise<Daemon> {
  const child = spawn("/bin/sh", ["-c", LEASH, "sh", path, ...args], {
    detached: true,
    env: { ...process.env, ...options.env },
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(String(chunk)));
  // This process may end while the program runs.
  const handles = [child, child.stdout as Socket, child.stderr as Socket];
  for (const held of [...handles, child.stdin as Socket]) held.unref();
  // Its output ends when the last process that it has forked is gone.
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
    const end = said.join("").slice(-2000);
    throw new Error(`${path} ${args.join(" ")} did not start:\n${end}`, { cause: error });
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
