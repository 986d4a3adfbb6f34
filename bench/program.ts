/** A program of its own that signs by command: the C program, or a peer that may crash. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Turn } from "./measure.js";

export interface SigningProgram {
  /** On so many sessions at once. */
  turn(sessions: number): Turn;
  stop(): void;
}

/**
 * Starts a program that says "ready", then answers each line "SESSIONS MILLISECONDS" with "SIGNATURES NANOSECONDS".
 *
 * @throws what the program wrote to its standard error, if it ends or answers otherwise
 */
export async function signingProgram(
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<SigningProgram> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  child.stdin.on("error", () => undefined); // It has ended: the next answer says so.
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`ended with ${signal ?? code}: ${said.trim()}`));
  });
  const answer = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${await ended}`);
    return value;
  };
  if ((await answer()) !== "ready") throw new Error(`${command} did not say that it is ready.`);
  return {
    turn: (sessions) => async (milliseconds) => {
      child.stdin.write(`${sessions} ${milliseconds}\n`);
      const said = await answer();
      const [signatures, nanoseconds] = said.split(" ").map(Number);
      if (!signatures || !nanoseconds) throw new Error(`${command} on ${sessions} sessions: ${said}`);
      return (1e9 * signatures) / nanoseconds;
    },
    stop: () => child.stdin.end(),
  };
}
