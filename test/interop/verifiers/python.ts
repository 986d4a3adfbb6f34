/** Verifiers in Python, each in a virtual environment of its own. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory, run } from "../cache.js";
import type { Program } from "./verdicts.js";

/**
 * Installs packages from PyPI unless they are in the cache.
 *
 * @param script - Our program: a file in this folder.
 * @param packages - Packages with exact versions, as `joserfc==1.8.0`. The first is the verifier's own.
 * @returns How the program is started.
 * @throws {Error} If Python isn't installed, or they can't be.
 */
export async function pythonProgram(script: string, packages: readonly [string, ...string[]]): Promise<Program> {
  const directory = cacheDirectory(join("verifiers", packages[0].replace("==", "-")));
  const python = join(directory, "bin/python");
  const list = join(directory, "installed.txt");
  const wanted = packages.join("\n");
  if (!existsSync(list) || readFileSync(list, "utf8") !== wanted) {
    await run("python3", ["-m", "venv", "--clear", directory]);
    await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
    writeFileSync(list, wanted);
  }
  return { program: python, args: [fileURLToPath(new URL(script, import.meta.url))] };
}
