/** Where a PKCS#11 library is: at its path, or by its name (`module-name` of RFC 7512 §2.3) in the usual directories. */
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { SignerError } from "../../src/errors.js";

const ROOTS = ["/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"];
/** Packages put modules beside the other libraries, or into a directory of their own. */
const PLACES = ["pkcs11", "softhsm", "nss", ""];
/** Without its development package a library has its version's name alone. */
const EXTENSIONS = ["so", "so.1", "so.0", "dylib"];

/** A value without a slash is a name: nothing is ever loaded from the current directory. */
export function isModuleName(nameOrPath: string): boolean {
  return !/[/\\]/.test(nameOrPath);
}

/**
 * @param nameOrPath - `softhsm2`, or a path
 * @returns the path of the file itself, so that a library is one whatever way it is named
 * @throws {SignerError} code `misconfigured` if there is no such file
 */
export async function findModule(nameOrPath: string): Promise<string> {
  const candidates = isModuleName(nameOrPath) ? await usualPlaces(nameOrPath) : [nameOrPath];
  for (const path of candidates) {
    const found = await realpath(path).catch(() => undefined);
    if (found !== undefined) return found;
  }
  const message = isModuleName(nameOrPath)
    ? `There is no PKCS#11 module "${nameOrPath}" in the usual directories. Give its path.`
    : `There is no PKCS#11 module at ${nameOrPath}.`;
  throw new SignerError("misconfigured", message);
}

async function usualPlaces(name: string): Promise<string[]> {
  const multiarch = (await readdir("/usr/lib").catch(() => [])).filter((entry) => entry.includes("-linux-"));
  const roots = [...multiarch.map((entry) => join("/usr/lib", entry)), ...ROOTS];
  const files = EXTENSIONS.flatMap((extension) => [`lib${name}.${extension}`, `${name}.${extension}`]);
  return roots.flatMap((root) => PLACES.flatMap((place) => files.map((file) => join(root, place, file))));
}
