/** Where SoftHSM's library and OpenSC's `pkcs11-tool` are on this machine, if they are. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandPath } from "./command.js";

/** What a token is made with: the PKCS#11 library, and the program that talks to it. */
export interface SoftHsmParts {
  /** Path of `libsofthsm2.so`. */
  module: string;
  /** Path of `pkcs11-tool`. */
  tool: string;
}

/** The parts that are there; `SOFTHSM2_MODULE` names the library where it is set, and then no other is looked for. */
export function findParts(): Partial<SoftHsmParts> {
  const module = namedModule() ?? modulePaths().find(isFile);
  const tool = commandPath("pkcs11-tool");
  return { ...(module && { module }), ...(tool && { tool }) };
}

function namedModule(): string | undefined {
  const named = process.env.SOFTHSM2_MODULE;
  if (!named) return undefined;
  if (isFile(named)) return resolve(named);
  throw new Error(`SOFTHSM2_MODULE is set to ${named}, and there is no such file. Correct it, or unset it.`);
}

/** Every place where a package puts the library; the first is the one that documentation names. */
function modulePaths(): string[] {
  const multiarch = entries("/usr/lib").filter((name) => name.includes("-linux-"));
  const homebrew = ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"];
  return [
    "/usr/lib/softhsm/libsofthsm2.so", // Debian, Ubuntu, Alpine
    ...multiarch.map((name) => join("/usr/lib", name, "softhsm/libsofthsm2.so")),
    "/usr/lib64/pkcs11/libsofthsm2.so", // Fedora, RHEL
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/lib64/libsofthsm2.so",
    ...homebrew.flatMap((prefix) => [
      join(prefix, "lib/softhsm/libsofthsm2.so"),
      join(prefix, "opt/softhsm/lib/softhsm/libsofthsm2.so"),
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
