/** How to build the native addon, which some package managers don't do by themselves. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { resolveInstalled } from "../../src/keystore/installed-package.js";

const NPM = "npm install-scripts approve pkcs11js (only npm 11 and later), and then npm rebuild pkcs11js";
/** Lock file → what to do. */
const COMMANDS: readonly (readonly [string, string])[] = [
  ["package-lock.json", NPM],
  [
    "pnpm-lock.yaml",
    "pnpm add --allow-build=pkcs11js graphene-pk11, and then delete node_modules and run pnpm install",
  ],
  ["yarn.lock", 'set "dependenciesMeta": { "pkcs11js": { "built": true } } in package.json, and run yarn install'],
  ["bun.lock", "bun pm trust pkcs11js"],
];

/** Returns what builds pkcs11js with the package manager that installed it. */
export function buildCommand(): string {
  for (let directory = installation(); directory !== dirname(directory); directory = dirname(directory)) {
    const found = COMMANDS.find(([file]) => existsSync(join(directory, file)));
    if (found) return found[1];
  }
  return NPM;
}

/** Returns a path in the project: the lock file is in a directory above it. */
function installation(): string {
  try {
    return resolveInstalled("graphene-pk11");
  } catch {
    return process.cwd();
  }
}
