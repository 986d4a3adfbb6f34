/** Finds and runs other programs, without letting them wait for input. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** Searched after PATH: the PATH of a desktop or a container often lacks the system's and Homebrew's directories. */
const FALLBACK_DIRECTORIES = [
  "/usr/bin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/opt/homebrew/bin",
  "/home/linuxbrew/.linuxbrew/bin",
];

/** Returns the path of a program, or `undefined` if it isn't installed. */
export function commandPath(name: string): string | undefined {
  return searchPath()
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/**
 * Runs a program with an empty standard input.
 *
 * @returns The program's standard output.
 * @throws If the program fails. The message contains its output.
 */
export async function run(path: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const running = promisify(execFile)(path, args, {
    env: { ...process.env, ...env, PATH: searchPath().join(delimiter), LC_ALL: "C" },
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end();
  try {
    return (await running).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const output = `${stdout}\n${stderr}`.trim() || String(error);
    throw new Error(`${path} ${args.join(" ")} failed:\n${output}`, { cause: error });
  }
}

function searchPath(): string[] {
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return [...new Set([...path, ...FALLBACK_DIRECTORIES])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
