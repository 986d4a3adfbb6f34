/** Compiles and starts the C program, whose rate is the upper limit of the token's library. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, startProgram } from "./program.js";

/** A key on a PKCS#11 token. */
export interface KeyOnToken {
  module: string;
  token: string;
  key: string;
  pin: string;
  /** The environment variables that the library reads. */
  env: Readonly<Record<string, string>>;
}

/**
 * Compiles and starts the program.
 *
 * @throws If a C compiler isn't installed, or the token can't be used.
 */
export async function cSign({ module, token, key, pin, env }: KeyOnToken): Promise<Program> {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-bench-"));
  try {
    const program = join(directory, "c-sign");
    const headers = fileURLToPath(new URL("../node_modules/pkcs11js/includes/pkcs11", import.meta.url));
    const source = fileURLToPath(new URL("c-sign.c", import.meta.url));
    execFileSync("cc", ["-O2", "-Wall", "-Werror", "-I", headers, "-o", program, source, "-ldl", "-lpthread"]);
    return await startProgram(program, [module, token, key], { ...env, HARDPROOF_PIN: pin });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
