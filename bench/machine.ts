/** Describes the machine on which the figures were measured, and what else it did. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, type } from "node:os";
import { setTimeout } from "node:timers/promises";

/** The machine, and its state before the run. */
export interface Machine {
  cpu: string;
  cores: number;
  system: string;
  node: string;
  openssl: string;
  /** Load average over the last minute, before the run. */
  load: number;
  commit: string;
  date: string;
}

/** Above this load, a run is marked as noisy. */
export const NOISY = 1.5;

/** Describes this machine. */
export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    system: `${type()} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl ?? "none",
    load: rounded(loadavg()[0] ?? 0),
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim(),
    date: new Date().toISOString(),
  };
}

/**
 * Returns how many other threads want a core at the moment, on average over 200 ms, in which the run itself does nothing.
 * `undefined` if the system doesn't tell.
 */
export async function othersRunning(): Promise<number | undefined> {
  let others = 0;
  const samples = 20;
  for (let i = 0; i < samples; i++) {
    const runnable = runnableThreads();
    if (runnable === undefined) return undefined;
    others += runnable - 1; // This thread, which reads the file.
    await setTimeout(10);
  }
  return rounded(others / samples);
}

function runnableThreads(): number | undefined {
  try {
    return Number(/ (\d+)\//.exec(readFileSync("/proc/loadavg", "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

const rounded = (value: number) => Math.round(10 * value) / 10;
