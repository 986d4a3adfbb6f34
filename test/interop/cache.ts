/** The cache for the software of interoperability tests, outside the repository. */
import { homedir } from "node:os";
import { join } from "node:path";

/** Returns a directory in the cache, which may not exist yet. */
export function cacheDirectory(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hardproof", name);
}
