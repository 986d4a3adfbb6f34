/** What was measured: to the terminal, as JSON, and as a picture. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.js";
import { type Answer, formatMark, formatValue, sign, summary } from "./row.js";
import { picture } from "./svg.js";

export function print(subject: string, answers: Answer[]): void {
  console.log(`\n${subject}`);
  for (const answer of answers) console.log(lines(answer));
}

/** Writes `bench/results/NAME.json` and `NAME.svg`. */
export function write(name: string, machine: Machine, answers: Answer[]): void {
  const directory = fileURLToPath(new URL("results/", import.meta.url));
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}${name}.json`, `${JSON.stringify({ machine, rows: answers }, undefined, 2)}\n`);
  writeFileSync(`${directory}${name}.svg`, picture(machine, answers));
  console.log(`\n${summary(answers)}: bench/results/${name}.json, bench/results/${name}.svg`);
}

function lines(answer: Answer): string {
  if ("notMeasured" in answer) return `  – not measured: ${answer.notMeasured}`;
  const { what, against, mark, unit, value, spread, from } = answer;
  const range = spread.map((end) => formatValue(end, unit)).join(" to ");
  return `  ${sign(answer)} ${what} | ${against}
      ${formatValue(value, unit)}, must be ${formatMark(mark, unit)} (${range}): ${from}`;
}
