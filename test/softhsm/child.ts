/** Programs that make tokens with the built package, each in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Milliseconds. No program outlives a test that has failed. */
const TIMEOUT = 300_000;

/** What a program printed, and how it ended. */
export interface Ended {
  readonly output: string;
  readonly errors: string;
  readonly code: number | null;
  readonly signal: string | null;
}

type OnOutput = (output: string, child: ChildProcess) => void;

/** Runs an ES module, which can import the package by its name. `onOutput` receives all that it has printed so far. */
export function runModule(source: string, env: Record<string, string> = {}, onOutput?: OnOutput): Promise<Ended> {
  return runNode(["--input-type=module", "-e", source], env, onOutput);
}

/** Runs Node with these arguments. */
export async function runNode(
  args: readonly string[],
  env: Record<string, string> = {},
  onOutput: OnOutput = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT,
    killSignal: "SIGKILL",
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk) => {
    output += chunk;
    onOutput(output.trim(), child);
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const [code, signal] = await once(child, "close");
  return { output: output.trim(), errors, code, signal };
}
