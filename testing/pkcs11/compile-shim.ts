/** Compiles the shim with this machine's C compiler, once for each version of its source. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const FLAGS = ["-shared", "-fPIC", "-O2", "-Wall"];
const LIBRARIES = ["-ldl", "-lpthread"];

/**
 * Writes the compiled shim to a file. The compiler runs only if the user's cache doesn't have it.
 *
 * @param output - The path of the library.
 * @throws If the machine has no C compiler.
 */
export function compileShim(output: string): void {
  // The sources are in the package, beside the built code.
  const sources = join(dirname(createRequire(import.meta.url).resolve("hardproof/package.json")), "testing/pkcs11");
  const source = join(sources, "pkcs11-shim.c");
  const cached = cachedPath([source, join(sources, "cryptoki.h")]);
  if (!existsSync(cached)) {
    const temporary = `${cached}.${process.pid}`;
    compile(source, temporary);
    renameSync(temporary, cached);
  }
  // Each shim is a library of its own: a process loads one path only once.
  copyFileSync(cached, output);
}

function cachedPath(sources: readonly string[]): string {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const path of sources) hash.update(readFileSync(path));
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hardproof");
  mkdirSync(directory, { recursive: true });
  return join(directory, `pkcs11-shim-${hash.digest("hex").slice(0, 16)}.so`);
}

function compile(source: string, output: string): void {
  const { error, status, stderr } = spawnSync("cc", [...FLAGS, "-o", output, source, ...LIBRARIES], {
    encoding: "utf8",
  });
  if (status === 0) return;
  const reason = error ? `cc can't be run (${error.message})` : `cc failed: ${stderr.trim()}`;
  const remedy = "Install a C compiler (on Debian: apt-get install gcc libc6-dev), or skip the tests that need it";
  throw new Error(`The PKCS#11 library with faults is compiled on this machine, but ${reason}. ${remedy}.`);
}
