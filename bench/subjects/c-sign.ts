/** Compiles and starts the C program, whose rate is the upper limit of the token's library. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, startProgram } from "../program.js";

/** A key on a PKCS#11 token. */
export interface KeyOnToken {
  module: string;
  token: string;
  key: string;
  pin: string;
  /** The environment variables that the library reads. */
  env: Readonly<Record<string, string>>;
}

let compiled: string | undefined;

/**
 * Compiles the program unless this process already has, and starts it.
 *
 * @throws If a C compiler isn't installed.
 */
export function cSign({ module, token, key, pin, env }: KeyOnToken): Program {
  compiled ??= compile();
  return startProgram(compiled, [module, token, key], { title: "The C program", env: { ...env, HARDPROOF_PIN: pin } });
}

function compile(): string {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true }));
  const program = join(directory, "c-sign");
  const headers = fileURLToPath(new URL("../../node_modules/pkcs11js/includes/pkcs11", import.meta.url));
  const source = fileURLToPath(new URL("../contenders/c-sign.c", import.meta.url));
  execFileSync("cc", ["-O2", "-Wall", "-Werror", "-I", headers, "-o", program, source, "-ldl", "-lpthread"]);
  return program;
}
