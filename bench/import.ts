/** Time and memory of `import "hardproof"`, compared with the import of an empty package. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";
import { type Result, row } from "./row.js";

const ROUNDS = 21;
const root = fileURLToPath(new URL("..", import.meta.url));

interface Cost {
  milliseconds: number;
  megabytes: number;
}

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const directory = installBoth();
  const importing = (name: string) => costOf(name, directory);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    empty: importing("empty"),
    hardproof: importing("hardproof"),
  }));
  rmSync(directory, { recursive: true });
  const extra = (unit: keyof Cost) => rounds.map(({ empty, hardproof }) => hardproof[unit] - empty[unit]);
  const details = (unit: keyof Cost) => {
    const [hardproof, empty] = (["hardproof", "empty"] as const).map((one) =>
      median(rounds.map((round) => round[one][unit])),
    );
    return `${hardproof?.toFixed(1)} vs. ${empty?.toFixed(1)}`;
  };
  const reference = "an empty package";
  return [
    row(
      { name: "importing hardproof", reference, target: { atMost: 25 }, unit: "ms" },
      extra("milliseconds"),
      details("milliseconds"),
    ),
    row(
      { name: "resident memory after importing hardproof", reference, target: { atMost: 10 }, unit: "MB" },
      extra("megabytes"),
      details("megabytes"),
    ),
  ];
}

/** Creates a directory whose `node_modules` has both packages. */
function installBoth(): string {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-bench-"));
  const empty = join(directory, "node_modules", "empty");
  mkdirSync(empty, { recursive: true });
  writeFileSync(join(empty, "package.json"), '{"name":"empty","type":"module","exports":{".":"./index.js"}}');
  writeFileSync(join(empty, "index.js"), "");
  symlinkSync(root, join(directory, "node_modules", "hardproof"));
  return directory;
}

/** Imports the built package in a new process of plain node. */
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
