/** Private temporary directories. They are removed at the latest when the process exits or a signal ends it. */
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SHARED_MEMORY = "/dev/shm";
const existing = new Set<string>();

/** Makes a directory that only this user can access (`mkdtemp` sets mode 0700). */
export function makeTempDirectory(prefix: string, parent = tmpdir()): string {
  const path = mkdtempSync(resolve(parent, prefix));
  if (existing.size === 0) addListeners();
  existing.add(path);
  return path;
}

/**
 * Returns a directory in memory, or `undefined` if this system doesn't have one. SoftHSM writes each attribute of a key to
 * the disk and waits for it, which takes 150 ms there, and 2 ms in memory.
 */
export function memoryDirectory(): string | undefined {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK | constants.X_OK);
    return SHARED_MEMORY;
  } catch {
    return undefined;
  }
}

/** Removes a directory that `makeTempDirectory` made. Does nothing if it was removed before. */
export function removeTempDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  existing.delete(path);
  if (existing.size === 0) removeListeners();
}

function addListeners(): void {
  process.on("exit", removeAll);
  // Prepended: `onSignal` counts the listeners, and a `once` listener that ran earlier would no longer be counted.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function removeListeners(): void {
  process.off("exit", removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/**
 * If the program has its own listener for the signal, that listener decides whether the process ends. Otherwise this one
 * removes the directories, and lets the signal end the process.
 */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  try {
    removeAll();
  } finally {
    removeListeners();
    process.kill(process.pid, signal);
  }
}

function removeAll(): void {
  for (const path of existing) removeTempDirectory(path);
}
