/** `processes.ts COMMAND [ARGUMENT…]`: one call is one process, from its start to its end. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { compete } from "./answer.js";

/** Milliseconds until a process is killed. */
const LIMIT = 5_000;
/** Linux counts CPU time in ticks of this many µs. */
const TICK = 10_000;
const [command = "", ...args] = process.argv.slice(2);

await compete(() => {
  const { status, signal, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: LIMIT,
    killSignal: "SIGKILL",
  });
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? signal ?? stderr}`);
}, childrensCpuTime);

/** CPU time of all processes that have ended, in µs (proc(5), cutime and cstime). 0 on systems without it. */
function childrensCpuTime(): number {
  try {
    // The second field is the program's name, in parentheses.
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
    return TICK * (Number(fields[13]) + Number(fields[14]));
  } catch {
    return 0;
  }
}
