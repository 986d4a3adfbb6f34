/** Starts the contenders, which are compiled once for each run: a process needs 50 ms to start then, instead of 300. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { type Program, type ProgramOptions, startProgram } from "./program.js";

const SOURCES = fileURLToPath(new URL("contenders/", import.meta.url));
let compiled: string | undefined;

/** Starts a file of `contenders/` on this Node. */
export function startContender(name: string, args: readonly string[], options: Partial<ProgramOptions> = {}): Program {
  compiled ??= compile();
  const path = join(compiled, `${name}.js`);
  const node = ["--expose-gc", "--disable-warning=ExperimentalWarning", path, ...args];
  return startProgram(process.execPath, node, { title: name, ...options });
}

/** The directory is in the repository, where `hardproof` resolves to `dist/`. It is removed when this process exits. */
function compile(): string {
  const outdir = mkdtempSync(fileURLToPath(new URL("./.contenders-", import.meta.url)));
  process.on("exit", () => rmSync(outdir, { recursive: true, force: true }));
  const entryPoints = readdirSync(SOURCES)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(SOURCES, name));
  buildSync({
    entryPoints,
    outdir,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
  });
  return outdir;
}
