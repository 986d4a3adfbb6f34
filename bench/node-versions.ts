/** Installs versions of Node, as `.ci/run` does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, run } from "../test/interop/cache.js";

/**
 * Returns the program of a major version: this one, or one in the cache, into which it is installed from npm.
 *
 * @throws If it can't be installed.
 */
export async function nodeProgram(major: string): Promise<string> {
  if (process.versions.node.split(".")[0] === major) return process.execPath;
  const directory = cacheDirectory(`node-${major}`);
  const program = join(directory, "node_modules/node/bin/node");
  const flags = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  if (!existsSync(program)) await run("npm", ["install", "--prefix", directory, ...flags, `node@${major}`]);
  if (!existsSync(program)) throw new Error(`node@${major} has no program for this machine.`);
  return program;
}
