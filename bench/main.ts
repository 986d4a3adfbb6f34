/** Measures the built package: `npm run bench -- [subject…] [--quick] [--node 20,22,24,26] [--record]`. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeProgram } from "./node-versions.js";
import { parseOptions } from "./options.js";
import { realTimePriority } from "./priority.js";

const args = process.argv.slice(2);
const { nodes } = parseOptions(args);
const programs = nodes.length === 0 ? [process.execPath] : await Promise.all(nodes.map(nodeProgram));
const { prefix, env } = realTimePriority();
const run = fileURLToPath(new URL("run.ts", import.meta.url));

for (const program of programs) {
  const [command = program, ...words] = [...prefix, program, "--import", "tsx", run, ...args];
  const { status } = spawnSync(command, words, { stdio: "inherit", env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}
