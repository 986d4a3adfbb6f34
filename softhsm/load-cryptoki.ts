/** Loads a PKCS#11 library by one of the packages that can call it. Only the separate process does. */
import { createRequire } from "node:module";
import type { Cryptoki } from "./cryptoki.js";
import { koffiCryptoki } from "./cryptoki-koffi.js";
import { pkcs11jsCryptoki } from "./cryptoki-pkcs11js.js";
import type { Packages } from "./protocol.js";

/**
 * Loads a library by the first package that works.
 *
 * @throws {Error} With the reasons of all packages.
 */
export function loadCryptoki(module: string, packages: Packages): Cryptoki {
  const reasons: string[] = [];
  for (const { name, path } of packages)
    try {
      const load = createRequire(path);
      // pkcs11js is the native addon of graphene-pk11.
      return name === "koffi" ? koffiCryptoki(load(path), module) : pkcs11jsCryptoki(load("pkcs11js"), module);
    } catch (error) {
      reasons.push(`${name}: ${firstLine(error)}`);
    }
  throw new Error(`${module} can't be loaded by ${reasons.join("; by ")}`);
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
}
