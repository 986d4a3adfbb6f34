/** Finds the program of the separate process, and the packages that call the library there. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TokenUnavailable } from "./install.js";
import { misconfigured } from "./misconfigured.js";
import type { Packages } from "./protocol.js";

const NAMES = ["graphene-pk11", "koffi"] as const;

/**
 * Returns the packages that are installed beside hardproof or the program that was started.
 *
 * @throws {TokenUnavailable} If none is.
 */
export function installedPackages(): Packages {
  const packages = NAMES.flatMap((name) => {
    const path = resolveInstalled(name);
    return path === undefined ? [] : [{ name, path }];
  });
  if (packages.length > 0) return packages;
  const command = "npm install --save-dev koffi";
  throw new TokenUnavailable(
    `hardproof/softhsm needs the package koffi or graphene-pk11. Install it beside hardproof: ${command}`,
    { command },
  );
}

function resolveInstalled(name: string): string | undefined {
  const program = process.argv[1];
  const urls = [import.meta.url, ...(program ? [pathToFileURL(program).href] : [])];
  for (const url of urls)
    try {
      return createRequire(url).resolve(name);
    } catch {
      // Not installed there.
    }
  return undefined;
}

/**
 * Returns the path of the program, which is beside this file, or in the environment variable
 * `HARDPROOF_SOFTHSM_PROGRAM`.
 *
 * @throws {SignerError} With code `misconfigured` if it doesn't exist.
 */
export function programPath(): string {
  const chosen = process.env.HARDPROOF_SOFTHSM_PROGRAM;
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const path = chosen || fileURLToPath(new URL(`./program.${extension}`, import.meta.url));
  if (existsSync(path)) return path;
  throw misconfigured(
    `The program of hardproof/softhsm was not found at ${path}. Leave hardproof/softhsm out of the bundle, or set ` +
      "HARDPROOF_SOFTHSM_PROGRAM to the path of dist/softhsm/program.js in the package hardproof.",
  );
}
