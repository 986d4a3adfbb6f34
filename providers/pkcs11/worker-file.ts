/** Finds the workers' program: beside this file, in the installed package, or beside a bundle. */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import { programUrls, resolveInstalled } from "../../src/keystore/installed-package.js";

let found: URL | undefined;

/**
 * Returns the URL of the workers' program.
 *
 * @throws {SignerError} With code `misconfigured` if it wasn't found.
 */
export function workerFile(): URL {
  found ??= findWorkerFile();
  return found;
}

/** Starts the program in a thread, without the arguments of this process. */
export function startWorker(options: Omit<WorkerOptions, "execArgv">): Worker {
  const url = workerFile();
  if (!isSource(url)) return new Worker(url, { ...options, execArgv: plugAndPlay() });
  const code = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(url.href)})))`;
  return new Worker(code, { ...options, execArgv: [], eval: true });
}

/** Starts the program in a process. */
export function forkWorker(options: ForkOptions): ChildProcess {
  const url = workerFile();
  return fork(fileURLToPath(url), [], { ...options, execArgv: isSource(url) ? ["--import", "tsx"] : [] });
}

/** Returns the arguments with which a thread that doesn't inherit NODE_OPTIONS finds packages of Yarn's Plug'n'Play. */
function plugAndPlay(): string[] {
  return process.versions.pnp ? ["--require", resolveInstalled(PLUG_AND_PLAY)] : [];
}

/** A module of Yarn itself, rather than a package. */
const PLUG_AND_PLAY = "pnpapi";

/** Returns whether the program is TypeScript source. It is only in tests. */
function isSource({ pathname }: URL): boolean {
  return pathname.endsWith(".ts");
}

function findWorkerFile(): URL {
  const url = candidates().find((candidate) => existsSync(candidate));
  if (!url)
    throw new SignerError(
      "misconfigured",
      "The program of Hardproof's PKCS#11 workers was not found. In a bundle, copy dist/providers/pkcs11/worker.js of the " +
        "package hardproof beside it as hardproof-pkcs11-worker.mjs, or set HARDPROOF_PKCS11_WORKER to its path.",
    );
  return url;
}

/** The paths are joined at run time, because a bundler would take literals for modules. */
function candidates(): URL[] {
  const chosen = process.env.HARDPROOF_PKCS11_WORKER;
  if (chosen) return [pathToFileURL(chosen)];
  const copies = programUrls().map((url) => new URL("./hardproof-pkcs11-worker.mjs", url));
  return [...inThisPackage(), ...copies, ...inInstalledPackage()];
}

/** Returns the program beside this file, which is a source or a chunk of the package. */
function inThisPackage(): URL[] {
  const here: string | undefined = import.meta.url;
  if (here === undefined) return [];
  const [, extension] = /\/providers\/pkcs11\/[^/]+\.(ts|js)$/.exec(here) ?? [];
  const path = extension ? `./worker.${extension}` : ["..", "providers", "pkcs11", "worker.js"].join("/");
  return [new URL(path, here)];
}

/** Returns the program in node_modules, for a bundle that runs in a project with the package. */
function inInstalledPackage(): URL[] {
  try {
    const manifest = resolveInstalled(["hardproof", "package.json"].join("/"));
    return [new URL("dist/providers/pkcs11/worker.js", pathToFileURL(manifest))];
  } catch {
    return [];
  }
}
