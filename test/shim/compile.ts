/** Compiles the PKCS#11 libraries of the tests, and an OpenSSL provider. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const HEADERS = fileURLToPath(new URL("../../node_modules/pkcs11js/includes/pkcs11", import.meta.url));
const FLAGS = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror"];

/**
 * Compiles a library.
 *
 * @param source - The name of a C file in this directory.
 * @param output - The path of the library.
 * @param headers - The directory of its headers. Default: those of PKCS#11.
 */
export function compileLibrary(source: string, output: string, headers: string = HEADERS): void {
  const path = fileURLToPath(new URL(source, import.meta.url));
  execFileSync("cc", [...FLAGS, "-I", headers, "-o", output, path, "-ldl", "-lpthread"]);
}
