/** Runs the programs in `programs/` with a runtime. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Context } from "./cell.js";
import type { Row } from "./rows.js";

/** Milliseconds after which a program is stuck. */
const PATIENCE = 300_000;

/** A program and its arguments, and where it runs. */
export interface Command {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

/** Copies the programs into a project. */
export function copyPrograms(directory: string): void {
  cpSync(fileURLToPath(new URL("programs", import.meta.url)), directory, { recursive: true });
}

/**
 * Runs a program until it ends.
 *
 * @returns What it printed.
 * @throws {Error} With the end of its output, if it fails or doesn't end.
 */
export async function run({ command: [program = "", ...args], cwd, env }: Command): Promise<string> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (code === 0) return stdout;
  const end = signal === "SIGKILL" ? "didn't end" : `ended with ${signal ?? code}`;
  throw new Error(`${program.split("/").at(-1)} ${end}: ${`${stdout}\n${stderr}`.trim().slice(-300)}`);
}

/**
 * Runs a program that makes checks, and reports each of them. The program fails if it doesn't end after the last one.
 *
 * @param rows - Check → the row that it belongs to.
 */
export async function runChecks(
  { check, setting }: Context,
  command: Command,
  rows: Record<string, Row>,
): Promise<void> {
  const names = Object.keys(rows);
  const wrongPins = setting.wrongPins();
  const output = await run({
    ...command,
    env: { ...setting.environment(names), HARDPROOF_PKCS11_WORKER: "", ...command.env },
  }).catch((error: Error) => error);
  for (const [name, row] of Object.entries(rows))
    await check(row, () => {
      if (output instanceof Error) throw output;
      const { error } = JSON.parse(output.split("\n").find((line) => line.startsWith(`{"check":"${name}"`)) ?? "{}");
      if (error) throw new Error(error);
      const sent = setting.wrongPins() - wrongPins;
      if (name === "wrongPin" && sent !== 1) throw new Error(`It was sent ${sent} times.`);
    });
}
