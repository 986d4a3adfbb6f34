/** Measures the built package: `npm run bench -- [subject…] [--quick] [--node 20,22,24,26] [--record]`. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeProgram } from "./node-versions.js";
import { parseOptions } from "./options.js";

const args = process.argv.slice(2);
const { nodes } = parseOptions(args);
const programs = nodes.length === 0 ? [process.execPath] : await Promise.all(nodes.map(nodeProgram));
const run = fileURLToPath(new URL("run.ts", import.meta.url));

for (const program of programs) {
  const { status } = spawnSync(program, ["--import", "tsx", run, ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
