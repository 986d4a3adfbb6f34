/** Child processes that answer one line per request: the contenders, the emulators, a server. None of them can stop a run. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Why a program can't be measured: it didn't answer in time, wrote without end, crashed, or reported a failure. */
export class ProgramFailure extends Error {
  override readonly name = "ProgramFailure";
}

/** A running program. After a failure, every request fails with it. */
export interface Program extends AsyncDisposable {
  /** The name in failures. */
  readonly title: string;
  /** The line that the program writes when it is ready. */
  readonly firstLine: Promise<string>;
  /**
   * Sends a line, and returns the program's next line.
   *
   * @param limit - Milliseconds until the program is ended by SIGKILL. Default: the limit of the program.
   * @throws {ProgramFailure}
   */
  request(line: string, limit?: number): Promise<string>;
}

/** Options of {@link startProgram}. */
export interface ProgramOptions {
  /** The name in failures. */
  title: string;
  env?: Readonly<Record<string, string>>;
  /** Milliseconds that a start or an answer may take. Default: 20 seconds. */
  limit?: number;
}

const LIMIT = 20_000;
/** Milliseconds between the end of a program's input and SIGKILL. */
const END_LIMIT = 2_000;
/** Bytes of the answer to one request. */
const MAX_ANSWER = 1 << 20;
/** Characters of standard error. */
const MAX_ERRORS = 10_000;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) kill(child);
});

/** Starts a program in a process group of its own, which is ended by SIGKILL at the latest when this process exits. */
export function startProgram(command: string, args: readonly string[], options: ProgramOptions): Program {
  const { title, env = {}, limit: ownLimit = LIMIT } = options;
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe", detached: true });
  running.add(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = `${errors}${chunk}`.slice(0, MAX_ERRORS);
  });
  child.stdin.on("error", () => undefined); // The program has ended, which the next read reports.

  const closed = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`didn't start: ${error.message}`));
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve([`ended with ${signal ?? `code ${code}`}`, firstError(errors)].filter(Boolean).join(": "));
    });
  });
  let fail: (reason: string) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = (reason) => {
      reject(new ProgramFailure(`${title} ${reason}`));
      kill(child);
    };
  });
  failed.catch(() => undefined); // It may fail while nothing is requested.

  let unread = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    unread += chunk.length;
    if (unread > MAX_ANSWER) fail("wrote more than an answer, and was ended by SIGKILL");
  });
  const nextLine = async (limit: number): Promise<string> => {
    unread = 0;
    const timer = setTimeout(() => fail(`didn't answer within ${limit / 1000} s, and was ended by SIGKILL`), limit);
    try {
      const { value, done } = await Promise.race([lines.next(), failed]);
      if (done) throw new ProgramFailure(`${title} ${await Promise.race([closed, failed])}`);
      return value;
    } finally {
      clearTimeout(timer);
    }
  };
  const firstLine = nextLine(ownLimit);
  firstLine.catch(() => undefined); // Every request reports it.

  return {
    title,
    firstLine,
    request: async (line, limit = ownLimit) => {
      await firstLine;
      child.stdin.write(`${line}\n`);
      return nextLine(limit);
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      const timer = setTimeout(() => fail("didn't end"), END_LIMIT);
      await Promise.race([closed, failed]).catch(() => undefined);
      clearTimeout(timer);
      kill(child);
    },
  };
}

/** Waits until all programs are ready or have failed, so that none of them starts during another one's turn. */
export async function together<Name extends string>(
  programs: Record<Name, Program>,
): Promise<Record<Name, Program> & AsyncDisposable> {
  const all: Program[] = Object.values(programs);
  await Promise.allSettled(all.map(({ firstLine }) => firstLine));
  const close = async () => {
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
  };
  return { ...programs, [Symbol.asyncDispose]: close };
}

/** Returns the line of standard error that names the error, or the last one. */
function firstError(errors: string): string {
  const lines = errors.trim().split("\n");
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "").slice(0, 200);
}

/** Ends the program and what it has started. */
function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended.
  }
}
