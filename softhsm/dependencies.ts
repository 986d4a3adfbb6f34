/** The programs and libraries that a throw-away token needs: where to find each, and which package contains it. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { misconfigured } from "./misconfigured.js";

/** The supported package managers. */
export type PackageManager = "apt-get" | "dnf" | "apk" | "brew";

/** A program or library. */
export interface Dependency {
  /** Its name in messages. */
  readonly title: string;
  /** @returns Its path, or `undefined` if it isn't installed. */
  find(): string | undefined;
  /** The name of its package, by package manager. */
  readonly packages: Readonly<Partial<Record<PackageManager, string>>>;
  /** An alternative to installing the package, as the end of a sentence: `set SOFTHSM2_MODULE`. */
  readonly remedy?: string;
}

/** What a SoftHSM token needs. Only Debian's packages are tested; the other names come from their distributions. */
export const SOFTHSM_DEPENDENCIES = {
  softhsm: {
    title: "SoftHSM 2",
    find: () => configuredModule() ?? libraryPath("libsofthsm2.so", "libsofthsm.so"),
    packages: { "apt-get": "libsofthsm2", dnf: "softhsm", apk: "softhsm", brew: "softhsm" },
    remedy: "set SOFTHSM2_MODULE",
  },
} satisfies Record<string, Dependency>;

function configuredModule(): string | undefined {
  const path = process.env.SOFTHSM2_MODULE;
  if (!path) return undefined;
  if (isFile(path)) return resolve(path);
  const problem = `SOFTHSM2_MODULE is set to ${path}, but that file does not exist.`;
  throw misconfigured(`${problem} Correct the variable, or unset it.`);
}

/** Finds a library. Searches every directory for the first name before it searches for the next name. */
export function libraryPath(...names: string[]): string | undefined {
  const directories = libraryDirectories();
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(isFile);
}

/** Returns the directories where packages install PKCS#11 libraries. SoftHSM's documentation names the first. */
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
