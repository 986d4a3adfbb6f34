/** Starts a command as a process, with pipes or in a real terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** A running command. */
export interface Process {
  readonly child: ChildProcess;
  /** The output so far. In a terminal it includes standard error. */
  printed(): string;
  /** Resolves once the output contains the text. */
  until(expected: string): Promise<void>;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

/** Starts a command with pipes. */
export function start(command: string, args: readonly string[], env: Record<string, string> = {}): Process {
  const child = spawn(command, args, { env: { ...withoutColourSettings(), ...env }, stdio: "pipe" });
  let printed = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  const read = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = once(child, "close").then(async ([code]: (number | null)[]) => {
    const [out, err] = await read;
    return { code: code ?? null, out, err };
  });
  const until = async (expected: string) => {
    while (!printed.includes(expected)) {
      const next = await Promise.race([once(child.stdout, "data"), ended]);
      if (!Array.isArray(next) && !printed.includes(expected))
        throw new Error(`The process ended without printing ${expected}: ${printed}`);
    }
  };
  return { child, printed: () => printed, until, ended };
}

/**
 * Starts the command in a new terminal with this number of columns, through `script`, which every Debian system has.
 * Writing to the child's standard input types into the terminal.
 *
 * @returns A process whose output combines standard output and standard error, with a terminal's line breaks.
 */
export function startInTerminal(
  command: string,
  args: readonly string[],
  columns: number,
  env: Record<string, string> = {},
) {
  const quoted = [command, ...args].map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(" ");
  const line = `stty cols ${columns} rows 24; exec ${quoted}`;
  return start("script", ["-qec", line, "/dev/null"], { TERM: "xterm-256color", SHELL: "/bin/sh", ...env });
}

/** Removes `CI` too: with it, Node reports no colour support. */
function withoutColourSettings(): NodeJS.ProcessEnv {
  const { CI, NO_COLOR, FORCE_COLOR, NODE_DISABLE_COLORS, HARDPROOF_KEY, ...env } = process.env;
  return env;
}
