/** What this process shares with the libraries that it loads. */
import { readFileSync, realpathSync } from "node:fs";
import { types } from "node:util";
import { isMainThread } from "node:worker_threads";

/**
 * Returns whether libraries see the environment variables that this code sets. In a worker thread `process.env` is a copy,
 * and in a test of Jest a proxy of a copy.
 */
export function sharesEnvironment(): boolean {
  return isMainThread && !types.isProxy(process.env);
}

/** Returns whether a library is loaded in this process, by whatever program. */
export function isLoaded(module: string): boolean {
  const path = realpathSync(module);
  return loadedFiles().includes(path);
}

function loadedFiles(): string[] {
  if (process.platform === "linux")
    return readFileSync("/proc/self/maps", "utf8")
      .split("\n")
      .map((line) => line.slice(line.indexOf("/")));
  const report = process.report.getReport() as { readonly sharedObjects?: string[] };
  return report.sharedObjects ?? [];
}
