/**
 * Removes the directories of processes that were killed. The name of a directory tells the host, the id and the start time
 * of its process, so that neither a new process with the same id nor another container is taken for it.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const PREFIX = "hardproof-softhsm-";
const NAME = /^hardproof-softhsm-([0-9a-f]{8})-(\d+)-(\w+)-\w{6}$/;
/** Stands for a start time that can't be read. */
const UNKNOWN = "x";

/** Returns the prefix of this process's directories. */
export function ownPrefix(): string {
  return `${PREFIX}${host()}-${process.pid}-${startTime(process.pid) ?? UNKNOWN}-`;
}

/** Removes the directories whose process has ended. An error, such as that of another user's directory, is ignored. */
export async function removeLeftovers(parents: readonly string[]): Promise<void> {
  for (const parent of parents)
    for (const name of await readdir(parent).catch(() => []))
      if (isLeftover(name)) await removeOwn(join(parent, name)).catch(() => undefined);
}

/** Returns whether a directory of this host was made by a process that has ended. */
export function isLeftover(name: string): boolean {
  const [, owner, pid, started = ""] = NAME.exec(name) ?? [];
  return owner === host() && !isRunning(Number(pid), started);
}

function isRunning(pid: number, started: string): boolean {
  const current = startTime(pid);
  if (current !== undefined) return started === UNKNOWN || started === current;
  const isReadable = startTime(process.pid) !== undefined;
  return !isReadable && exists(pid);
}

/** Follows no link: in a directory that all users can write to, the name could be one. */
async function removeOwn(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isDirectory() && entry.uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
}

/** Process ids are unique only in a host's namespace of processes, and containers can share a directory. */
function host(): string {
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid")) ?? "";
  return createHash("sha256").update(`${hostname()} ${namespace}`).digest("hex").slice(0, 8);
}

/** Returns the time at which a process started, in a form without separators; `undefined` if it has ended. */
function startTime(pid: number): string | undefined {
  return process.platform === "linux" ? startTimeFromProc(pid) : startTimeFromPs(pid);
}

/** proc(5): behind the name in parentheses, the state is the first field and the start time the twentieth. */
function startTimeFromProc(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  const hasEnded = /^[ZX]/.test(fields[0] ?? "Z");
  return hasEnded ? undefined : fields[19];
}

function startTimeFromPs(pid: number): string | undefined {
  const args = ["-o", "lstart=", "-p", `${pid}`];
  const line = attempt(() => execFileSync("ps", args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } }));
  return line?.replace(/\W+/g, "") || undefined;
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
