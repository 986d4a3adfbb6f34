/** What tokens are made with: where each part is on this machine, if it is, and which package holds it. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandPath } from "./command.js";

export type PackageManager = "apt-get" | "dnf" | "apk" | "brew";

interface Part {
  /** What a person calls it. */
  readonly title: string;
  find(): string | undefined;
  readonly packages: Readonly<Partial<Record<PackageManager, string>>>;
  /** What helps besides the package. */
  readonly remedy?: string;
}

export type PartName = keyof typeof PARTS;

/** A row for each part. Only apt-get's packages have been tried; of the others only those of SoftHSM. */
export const PARTS = {
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
  swtpm: {
    title: "swtpm",
    find: () => commandPath("swtpm"),
    packages: { "apt-get": "swtpm", dnf: "swtpm", apk: "swtpm", brew: "swtpm" },
  },
  "tpm2-abrmd": {
    title: "tpm2-abrmd",
    find: () => commandPath("tpm2-abrmd"),
    packages: { "apt-get": "tpm2-abrmd", dnf: "tpm2-abrmd", apk: "tpm2-abrmd" },
  },
  "tcti-tabrmd": {
    title: "libtss2-tcti-tabrmd",
    find: () => libraryPath("libtss2-tcti-tabrmd.so.0"),
    packages: { "apt-get": "libtss2-tcti-tabrmd0", dnf: "tpm2-abrmd", apk: "tpm2-abrmd" },
  },
  "tpm2-pkcs11": {
    title: "tpm2-pkcs11",
    find: () => libraryPath("libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1"),
    packages: { "apt-get": "libtpm2-pkcs11-1", dnf: "tpm2-pkcs11", apk: "tpm2-pkcs11" },
  },
  "dbus-daemon": {
    title: "dbus-daemon",
    find: () => commandPath("dbus-daemon"),
    packages: { "apt-get": "dbus", dnf: "dbus-daemon", apk: "dbus", brew: "dbus" },
  },
  nss: {
    title: "NSS",
    find: () => libraryPath("libsoftokn3.so"),
    packages: { "apt-get": "libnss3", dnf: "nss-softokn", apk: "nss", brew: "nss" },
  },
  certutil: {
    title: "NSS's certutil",
    find: () => commandPath("certutil"),
    packages: { "apt-get": "libnss3-tools", dnf: "nss-tools", apk: "nss-tools", brew: "nss" },
  },
  "p11-kit": {
    title: "p11-kit",
    find: () => commandPath("p11-kit"),
    packages: { "apt-get": "p11-kit", dnf: "p11-kit-server", apk: "p11-kit-server", brew: "p11-kit" },
  },
  "p11-kit-client": {
    title: "p11-kit's client module",
    find: () => libraryPath("p11-kit-client.so"),
    packages: { "apt-get": "p11-kit-modules", dnf: "p11-kit-server", apk: "p11-kit-server", brew: "p11-kit" },
  },
} satisfies Record<string, Part>;

/** The table's rows as what they have in common. */
export function part(name: PartName): Part {
  return PARTS[name];
}

function namedModule(): string | undefined {
  const named = process.env.SOFTHSM2_MODULE;
  if (!named) return undefined;
  if (isFile(named)) return resolve(named);
  throw new Error(`SOFTHSM2_MODULE is set to ${named}, and there is no such file. Correct it, or unset it.`);
}

/** Of several names, the earlier is looked for everywhere first. */
function libraryPath(...names: string[]): string | undefined {
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
