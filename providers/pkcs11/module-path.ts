/** Finds a PKCS#11 library by its path, or by its name (`module-name` of RFC 7512 §2.3) in the usual directories. */
import { readdir, realpath } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { misconfigured } from "../../src/keystore/signer-error.js";

const ROOTS = ["/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"];
/** Subdirectories: packages install modules beside other libraries (""), or in a separate directory. */
const SUBDIRECTORIES = ["pkcs11", "softhsm", "nss", ""];
/** Without its development package, a library is installed only under a name with its version. */
const EXTENSIONS = ["so", "so.1", "so.0", "dylib"];

/** Returns whether the value is a name. One without a slash is, so nothing is loaded from the current directory. */
export function isModuleName(nameOrPath: string): boolean {
  return !/[/\\]/.test(nameOrPath);
}

/**
 * Finds a library.
 *
 * @param nameOrPath - `softhsm2`, or a path.
 * @param allowed - Names and paths of the libraries that may be loaded. Default: those in the environment variable
 *   `HARDPROOF_PKCS11_MODULES`, or else any library.
 * @returns The file's real path, which identifies the library whatever name or link is used for it.
 * @throws {SignerError} With code `misconfigured` if there is no such file, or it may not be loaded.
 */
export async function findModule(
  nameOrPath: string,
  allowed: readonly string[] | undefined = allowedByEnvironment(),
): Promise<string> {
  const found = await locate(nameOrPath);
  if (found === undefined)
    throw misconfigured(
      isModuleName(nameOrPath)
        ? `There is no PKCS#11 module "${nameOrPath}" in the usual directories. Set its path.`
        : `There is no PKCS#11 module at ${nameOrPath}.`,
    );
  if (allowed && !(await Promise.all(allowed.map(locate))).includes(found)) {
    const remedy = "Add it to allowedModules, or to HARDPROOF_PKCS11_MODULES.";
    throw misconfigured(`${found} isn't one of the PKCS#11 libraries that may be loaded. ${remedy}`);
  }
  return found;
}

function allowedByEnvironment(): string[] | undefined {
  return process.env.HARDPROOF_PKCS11_MODULES?.split(delimiter).filter((entry) => entry !== "");
}

async function locate(nameOrPath: string): Promise<string | undefined> {
  const candidates = isModuleName(nameOrPath) ? await usualPaths(nameOrPath) : [nameOrPath];
  for (const path of candidates) {
    const found = await realpath(path).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function usualPaths(name: string): Promise<string[]> {
  const multiarch = (await readdir("/usr/lib").catch(() => [])).filter((entry) => entry.includes("-linux-"));
  const roots = [...multiarch.map((entry) => join("/usr/lib", entry)), ...ROOTS];
  const files = EXTENSIONS.flatMap((extension) => [`lib${name}.${extension}`, `${name}.${extension}`]);
  return roots.flatMap((root) =>
    SUBDIRECTORIES.flatMap((directory) => files.map((file) => join(root, directory, file))),
  );
}
