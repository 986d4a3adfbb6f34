/** What `import "hardproof"` costs a process: time and memory, beside the import of a package that is empty. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";
import { type Answer, row } from "./row.js";

const ROUNDS = 21;
const root = fileURLToPath(new URL("..", import.meta.url));

interface Cost {
  milliseconds: number;
  megabytes: number;
}

export async function measure(): Promise<Answer[]> {
  const directory = packages();
  const importing = (name: string) => costOf(name, directory);
  const rounds = Array.from({ length: ROUNDS }, () => ({ empty: importing("empty"), ours: importing("hardproof") }));
  rmSync(directory, { recursive: true });
  const more = (unit: keyof Cost) => rounds.map(({ empty, ours }) => ours[unit] - empty[unit]);
  const from = (unit: keyof Cost) => {
    const [ours, empty] = (["ours", "empty"] as const).map((one) => median(rounds.map((round) => round[one][unit])));
    return `${ours?.toFixed(1)} against ${empty?.toFixed(1)}`;
  };
  const question = { what: "importing hardproof", against: "an empty package" };
  return [
    row({ ...question, mark: { atMost: 25 }, unit: "ms" }, more("milliseconds"), from("milliseconds")),
    row(
      { ...question, what: "memory after importing hardproof", mark: { atMost: 10 }, unit: "MB" },
      more("megabytes"),
      from("megabytes"),
    ),
  ];
}

/** A directory in which both are installed, side by side. */
function packages(): string {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-bench-"));
  const empty = join(directory, "node_modules", "empty");
  mkdirSync(empty, { recursive: true });
  writeFileSync(join(empty, "package.json"), '{"name":"empty","type":"module","exports":{".":"./index.js"}}');
  writeFileSync(join(empty, "index.js"), "");
  symlinkSync(root, join(directory, "node_modules", "hardproof"));
  return directory;
}

/** In a process of its own, by plain node, from the built package. */
function costOf(name: string, directory: string): Cost {
  const script = `
    const start = performance.now();
    await import(${JSON.stringify(name)});
    const milliseconds = performance.now() - start;
    console.log(JSON.stringify({ milliseconds, megabytes: process.memoryUsage.rss() / 2 ** 20 }));`;
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: directory, encoding: "utf8" }),
  );
}
