/** Other people's programs: where they are, and how to run one that must not ask anything. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** Searched after PATH: a desktop's or a container's PATH often lacks the system's and Homebrew's directories. */
const USUAL = [
  "/usr/bin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/opt/homebrew/bin",
  "/home/linuxbrew/.linuxbrew/bin",
];

/** The path of a program, or undefined where there is none. */
export function commandPath(name: string): string | undefined {
  return searched()
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** What a program writes to its standard output. Its standard input is empty; a failure holds all that it wrote. */
export async function run(path: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const running = promisify(execFile)(path, args, {
    env: { ...process.env, ...env, PATH: searched().join(delimiter), LC_ALL: "C" },
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end();
  try {
    return (await running).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const said = `${stdout}\n${stderr}`.trim() || String(error);
    throw new Error(`${path} ${args.join(" ")} failed:\n${said}`, { cause: error });
  }
}

function searched(): string[] {
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return [...new Set([...path, ...USUAL])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
