/** Runs programs with the built package on a Node that opens keys by URL, with an OpenSSL configuration. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inject } from "vitest";
import { storeNode } from "../../tokens/index.js";

/** Where a program runs. */
export interface ProgramOptions {
  /** The OpenSSL configuration. Default: none. */
  configuration?: string;
  env?: Readonly<Record<string, string | undefined>>;
  /** Further options of Node. */
  options?: readonly string[];
  /** Default: a directory in the repository. */
  cwd?: string;
  /** What precedes the program. Default: `attempt` and `report`. */
  prelude?: string;
}

/** The result of `attempt(open)`: what a signer did, or its error. */
export interface Attempt {
  readonly signed?: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly retryable?: boolean;
  /** What `util.inspect` prints of the error. */
  readonly inspected?: string;
}

/** Why programs can't run on this machine. */
export const noStoreNode: string | undefined = inject("unavailable")["Node 24"];

/**
 * The functions of every program. `attempt` opens a key and signs; `report` adds to the results.
 */
const PRELUDE = `
import { inspect } from "node:util";
import { openSigner } from "hardproof";
import { OpensslSigner } from "hardproof/openssl";
const results = [];
const report = (...values) => results.push(...values);
const attempt = async (open) => {
  try {
    const signer = typeof open === "string" ? await openSigner(open) : await open();
    return { signed: (await signer.sign(Buffer.from("message"))).length > 0 };
  } catch (error) {
    const { code, message, retryable } = error;
    return { code, message, retryable, inspected: inspect(error, { depth: 9 }) };
  }
};
`;

/**
 * Runs a program, which is the body of a module, after the prelude.
 *
 * @returns What it reported.
 */
export async function runProgram(body: string, where: ProgramOptions = {}): Promise<unknown[]> {
  const { configuration, env = {}, options = [], cwd, prelude = PRELUDE } = where;
  const directory = mkdtempSync(fileURLToPath(new URL("../../.openssl-", import.meta.url)));
  try {
    const file = join(directory, "program.mjs");
    writeFileSync(file, `${prelude}\n${body}\nconsole.log(JSON.stringify(results));`);
    const config = configuration === undefined ? [] : [`--openssl-config=${configuration}`];
    const args = [...config, ...options, file];
    const running = promisify(execFile)(storeNode() ?? "", args, {
      env: { ...process.env, ...env },
      cwd: cwd ?? directory,
    });
    const { stdout } = await running;
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Attempts to sign with keys one after another, in one process. */
export async function attempts(uris: readonly string[], where: ProgramOptions): Promise<Attempt[]> {
  const body = `for (const uri of ${JSON.stringify(uris)}) report(await attempt(uri));`;
  return (await runProgram(body, where)) as Attempt[];
}
