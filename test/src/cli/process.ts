/** The command as a process: the one that is installed from the tarball, with pipes or in a real terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export interface Process {
  readonly child: ChildProcess;
  /** What it has printed so far, standard error included if it has a terminal. */
  printed(): string;
  /** Resolves once it has printed that. */
  until(wanted: string): Promise<void>;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

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
  const until = async (wanted: string) => {
    while (!printed.includes(wanted)) {
      const more = await Promise.race([once(child.stdout, "data"), ended]);
      if (!Array.isArray(more) && !printed.includes(wanted)) throw new Error(`It never printed ${wanted}: ${printed}`);
    }
  };
  return { child, printed: () => printed, until, ended };
}

/**
 * In a terminal of its own (`script`, which every Debian has), so wide. What is written to its standard input is typed.
 *
 * @returns standard output and standard error in one, with the line breaks of a terminal
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

/** `CI` is one too: Node takes it for a terminal without colours. */
function withoutColourSettings(): NodeJS.ProcessEnv {
  const { CI, NO_COLOR, FORCE_COLOR, NODE_DISABLE_COLORS, HARDPROOF_KEY, ...env } = process.env;
  return env;
}
