/** Writes the results to the terminal, as JSON, and as an SVG image. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.js";
import { formatTarget, formatValue, mark, type Result, summary } from "./row.js";
import { chart } from "./svg.js";

/** Prints the results of one subject. */
export function print(subject: string, results: Result[]): void {
  console.log(`\n${subject}`);
  for (const result of results) console.log(lines(result));
}

/** Writes `bench/results/NAME.json` and `NAME.svg`. */
export function write(name: string, machine: Machine, results: Result[]): void {
  const directory = fileURLToPath(new URL("results/", import.meta.url));
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}${name}.json`, `${JSON.stringify({ machine, rows: results }, undefined, 2)}\n`);
  writeFileSync(`${directory}${name}.svg`, chart(machine, results));
  console.log(`\n${summary(results)}: bench/results/${name}.json, bench/results/${name}.svg`);
}

function lines(result: Result): string {
  if ("notMeasured" in result) return `  – not measured: ${result.notMeasured}`;
  const { name, reference, target, unit, value, spread, details } = result;
  const range = spread.map((end) => formatValue(end, unit)).join(" to ");
  return `  ${mark(result)} ${name} | reference: ${reference}
      ${formatValue(value, unit)}, target ${formatTarget(target, unit)} (${range}): ${details}`;
}
