/** The programs and libraries that a throw-away token needs: how to find each one, and which package holds it. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandPath } from "./command.js";

export type PackageManager = "apt-get" | "dnf" | "apk" | "brew";

export interface Part {
  /** Its name in messages. */
  readonly title: string;
  /** @returns its path, if it is installed */
  find(): string | undefined;
  readonly packages: Readonly<Partial<Record<PackageManager, string>>>;
  /** What helps besides the package. */
  readonly remedy?: string;
}

/** What SoftHSM tokens are made with. Debian's packages were tried; the other names are from their distributions. */
export const SOFT_HSM_PARTS = {
  softhsm: {
    title: "SoftHSM 2",
    find: () => namedModule() ?? libraryPath("libsofthsm2.so", "libsofthsm.so"),
    packages: { "apt-get": "libsofthsm2", dnf: "softhsm", apk: "softhsm", brew: "softhsm" },
    remedy: "set SOFTHSM2_MODULE",
  },
  "pkcs11-tool": {
    title: "OpenSC's pkcs11-tool",
    find: () => commandPath("pkcs11-tool"),
    packages: { "apt-get": "opensc", dnf: "opensc", apk: "opensc", brew: "opensc" },
  },
} satisfies Record<string, Part>;

function namedModule(): string | undefined {
  const named = process.env.SOFTHSM2_MODULE;
  if (!named) return undefined;
  if (isFile(named)) return resolve(named);
  throw new Error(`SOFTHSM2_MODULE is set to ${named}, and there is no such file. Correct it, or unset it.`);
}

/** Finds a library. An earlier name is looked for in every directory before a later one. */
export function libraryPath(...names: string[]): string | undefined {
  const directories = libraryDirectories();
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(isFile);
}

/** Every place where a package puts a PKCS#11 library; the first is the one that SoftHSM's documentation names. */
function libraryDirectories(): string[] {
  const multiarch = entries("/usr/lib").filter((name) => name.includes("-linux-"));
  const homebrew = ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"];
  const system = [...multiarch.map((name) => join("/usr/lib", name)), "/usr/lib64", "/usr/lib"];
  return [
    "/usr/lib/softhsm", // Debian, Ubuntu, Alpine
    ...system.flatMap((directory) => [
      join(directory, "pkcs11"),
      join(directory, "softhsm"),
      join(directory, "nss"),
      directory,
    ]),
    ...homebrew.flatMap((prefix) => [
      join(prefix, "lib"),
      join(prefix, "lib/pkcs11"),
      join(prefix, "lib/softhsm"),
      join(prefix, "opt/softhsm/lib/softhsm"),
      join(prefix, "opt/nss/lib"),
    ]),
  ];
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
