/**
 * `import.ts PACKAGE DIRECTORY`: answers "import" by a new process of plain Node that imports the package from the
 * directory: "MILLISECONDS MEGABYTES CPU-MILLISECONDS".
 */
import { execFileSync } from "node:child_process";
import { answer } from "./answer.js";

const [name, cwd = "."] = process.argv.slice(2);
const script = `
  const start = performance.now();
  await import(${JSON.stringify(name)});
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage();
  console.log(milliseconds, process.memoryUsage.rss() / 2 ** 20, (user + system) / 1000);`;
const args = ["--input-type=module", "--eval", script];
await answer("ready", {
  import: () =>
    execFileSync(process.execPath, args, { cwd, encoding: "utf8", timeout: 5_000, killSignal: "SIGKILL" }).trim(),
});
