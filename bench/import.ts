/** What `import "hardproof"` costs a process: time and memory, beside the import of an empty module. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";
import { type Answer, row } from "./row.js";

const ROUNDS = 21;
const EMPTY = "data:text/javascript,";
const root = fileURLToPath(new URL("..", import.meta.url));

interface Cost {
  milliseconds: number;
  megabytes: number;
}

export async function measure(): Promise<Answer[]> {
  const rounds = Array.from({ length: ROUNDS }, () => ({ empty: importing(EMPTY), ours: importing("hardproof") }));
  const more = (unit: keyof Cost) => rounds.map(({ empty, ours }) => ours[unit] - empty[unit]);
  const from = (unit: keyof Cost) => {
    const [ours, empty] = (["ours", "empty"] as const).map((one) => median(rounds.map((round) => round[one][unit])));
    return `${ours?.toFixed(1)} against ${empty?.toFixed(1)}`;
  };
  const question = { what: "importing hardproof", against: "an empty module" };
  return [
    row({ ...question, mark: { atMost: 25 }, unit: "ms" }, more("milliseconds"), from("milliseconds")),
    row(
      { ...question, what: "memory after importing hardproof", mark: { atMost: 10 }, unit: "MB" },
      more("megabytes"),
      from("megabytes"),
    ),
  ];
}

/** In a process of its own, by plain node, from the built package. */
function importing(name: string): Cost {
  const script = `
    const start = performance.now();
    await import(${JSON.stringify(name)});
    const milliseconds = performance.now() - start;
    console.log(JSON.stringify({ milliseconds, megabytes: process.memoryUsage.rss() / 2 ** 20 }));`;
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: root, encoding: "utf8" }),
  );
}
