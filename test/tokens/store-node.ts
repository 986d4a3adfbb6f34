/** The Node that opens private keys by the URL of an OpenSSL STORE loader: this one, or one from the registry. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, installFromNpm } from "../interop/cache.js";
import { noStore } from "../node-keys.js";

const NAME = "node-24";
const PACKAGE = "node@24.21.0";
const PROGRAM = "node_modules/node/bin/node";

/** Returns the path of the program, which the set-up of the tests has installed. */
export function storeNode(): string | undefined {
  if (noStore === undefined) return process.execPath;
  const path = join(cacheDirectory("npm"), NAME, PROGRAM);
  return existsSync(path) ? path : undefined;
}

/** @throws {Error} If it can't be installed. */
export async function installStoreNode(): Promise<void> {
  if (noStore === undefined) return;
  await installFromNpm(NAME, [PACKAGE]);
  if (storeNode() === undefined) throw new Error(`${PACKAGE} has no program for this machine.`);
}
