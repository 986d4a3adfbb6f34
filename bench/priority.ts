/** Real-time priority, by `chrt` of util-linux: other programs on the machine can't interrupt the run. */
import { spawnSync } from "node:child_process";

const REAL_TIME = ["chrt", "--rr", "20"];
const VARIABLE = "HARDPROOF_BENCH_REAL_TIME";

/** Starts a command that interrupts the others of the run. */
export const HIGHER_PRIORITY: readonly string[] = ["chrt", "--rr", "30"];

/** What precedes a command to start it with real-time priority, and its environment. Nothing if that isn't allowed. */
export function realTimePriority(): { prefix: readonly string[]; env: Readonly<Record<string, string>> } {
  const [command = "", ...args] = [...REAL_TIME, "true"];
  const isAllowed = spawnSync(command, args).status === 0;
  return isAllowed ? { prefix: REAL_TIME, env: { [VARIABLE]: "1" } } : { prefix: [], env: { [VARIABLE]: "" } };
}

/** Whether this process was started with it. */
export function hasRealTimePriority(): boolean {
  return process.env[VARIABLE] === "1";
}
