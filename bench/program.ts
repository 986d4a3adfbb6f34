/** Programs of their own that are asked line by line: the C program, a peer that may crash, a server. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Turn } from "./measure.js";

export interface Program {
  /** The first line that it wrote, once it was ready. */
  readonly greeting: string;
  /** @throws what it wrote to its standard error, if it ends instead of answering */
  ask(line: string): Promise<string>;
  /** It ends when its input does. */
  stop(): void;
}

/** @throws what the program wrote to its standard error, if it ends before its first line */
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
  child.stdin.on("error", () => undefined); // It has ended: the next answer says so.
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
    greeting: await nextLine(),
    ask: (line) => {
      child.stdin.write(`${line}\n`);
      return nextLine();
    },
    stop: () => child.stdin.end(),
  };
}

/**
 * A turn of a program that takes "SESSIONS MILLISECONDS" and answers "SIGNATURES NANOSECONDS". One that fails, or whose
 * program is dead, has made none.
 */
export function signing(program: Program, sessions: number): Turn {
  return async (milliseconds) => {
    const answer = await program.ask(`${sessions} ${milliseconds}`).catch(() => "failed");
    const [signatures = 0, nanoseconds] = answer.split(" ").map(Number);
    return nanoseconds ? (1e9 * signatures) / nanoseconds : 0;
  };
}

/** TypeScript of ours, in a process of its own. */
export function startScript(path: string, args: string[], env: Record<string, string> = {}): Promise<Program> {
  return startProgram(process.execPath, ["--import", "tsx", path, ...args], env);
}
