/** A private temporary directory that is gone when its process is: closed, ended, or stopped by a signal. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const open = new Set<string>();

/** Makes a directory that only this user can enter (`mkdtemp` gives mode 0700). */
export function makeDirectory(prefix: string): string {
  const path = mkdtempSync(join(tmpdir(), prefix));
  if (open.size === 0) watch();
  open.add(path);
  return path;
}

export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  open.delete(path);
  if (open.size === 0) unwatch();
}

function watch(): void {
  process.on("exit", removeAll);
  // First in line: a `once` listener that had run before us would be gone from the count below.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function unwatch(): void {
  process.off("exit", removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/** A program with a listener of its own decides whether it ends; any other dies of the signal, as if we weren't here. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  try {
    removeAll();
  } finally {
    unwatch();
    process.kill(process.pid, signal);
  }
}

function removeAll(): void {
  for (const path of open) removeDirectory(path);
}
