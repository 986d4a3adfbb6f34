/** Names of processes, by which another process of the host notices that one was killed. */
import { hash } from "node:crypto";

let host: string | undefined;

/** Returns the name of this process: its host and its PID. */
export function thisProcess(): string {
  return `${thisHost()}-${process.pid}`;
}

/** Returns whether the process doesn't exist any more. False for a process that can't be seen from here. */
export function wasKilled(name: string): boolean {
  const [itsHost, pid] = name.split("-");
  if (itsHost !== thisHost()) return false;
  try {
    process.kill(Number(pid), 0); // sends no signal
    return false;
  } catch (reason) {
    return reason instanceof Error && "code" in reason && reason.code === "ESRCH";
  }
}

/** Also identifies its current boot, and the PID namespace: in another one, the same PID is another process. */
function thisHost(): string {
  const { hostname } = process.getBuiltinModule("node:os");
  host ??= hash("sha256", [hostname(), ...bootAndNamespace()].join()).slice(0, 12);
  return host;
}

/** Importing the package doesn't pay for `node:fs` this way, which few processes need here. */
function bootAndNamespace(): string[] {
  const { readFileSync, readlinkSync } = process.getBuiltinModule("node:fs");
  try {
    return [readFileSync("/proc/sys/kernel/random/boot_id", "utf8"), readlinkSync("/proc/self/ns/pid")];
  } catch {
    return []; // not Linux: no such namespaces
  }
}
