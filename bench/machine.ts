/** Describes the machine on which the figures were measured. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, type } from "node:os";

/** The machine, and its state before the benchmark. */
export interface Machine {
  cpu: string;
  cores: number;
  system: string;
  node: string;
  openssl: string;
  /** Load average over the last minute. It should be 0 before the benchmark starts. */
  load: number;
  commit: string;
  date: string;
}

/** Describes this machine. */
export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    system: `${type()} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl ?? "none",
    load: Math.round(10 * (loadavg()[0] ?? 0)) / 10,
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim(),
    date: new Date().toISOString(),
  };
}
