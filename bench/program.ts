/** Child processes that answer one line per request: the C program, node-webcrypto-p11, the emulators, a server. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Turn } from "./measure.js";

/** A running program. */
export interface Program {
  /** The line that the program writes when it is ready. */
  readonly firstLine: string;
  /**
   * Sends a line, and returns the program's next line.
   *
   * @throws If the program ends instead. The message contains its standard error.
   */
  request(line: string): Promise<string>;
  /** Closes the program's standard input, which ends it. */
  stop(): void;
}

/** @throws If the program ends before its first line. The message contains its standard error. */
export async function startProgram(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Program> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  child.stdin.on("error", () => undefined); // The program has ended, which the next read reports.
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`ended with ${signal ?? code}: ${errors.trim()}`));
  });
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${await ended}`);
    return value;
  };
  return {
    firstLine: await nextLine(),
    request: (line) => {
      child.stdin.write(`${line}\n`);
      return nextLine();
    },
    stop: () => child.stdin.end(),
  };
}

/**
 * Returns a turn of a program that reads "SESSIONS MILLISECONDS" and writes "SIGNATURES NANOSECONDS". The rate is 0 if
 * the program reports a failure or has ended.
 */
export function signing(program: Program, sessions: number): Turn {
  return async (milliseconds) => {
    const response = await program.request(`${sessions} ${milliseconds}`).catch(() => "failed");
    const [signatures = 0, nanoseconds] = response.split(" ").map(Number);
    return nanoseconds ? (1e9 * signatures) / nanoseconds : 0;
  };
}

/** Starts a TypeScript file as a child process. */
export function startScript(path: string, args: string[], env: Record<string, string> = {}): Promise<Program> {
  return startProgram(process.execPath, ["--import", "tsx", path, ...args], env);
}
