/** The results of each Node, kept in `results.json`, from which the table in README.md is made. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { betweenMarks } from "../test/recorded-tables.js";
import { type Machine, NOISY } from "./machine.js";
import { formatMark, formatValue, type Row, symbol } from "./row.js";

/** What one subject took. */
export interface SubjectRun {
  subject: string;
  seconds: number;
  /** Threads of other programs that wanted a core before it was measured. `undefined` if the system doesn't tell. */
  others?: number | undefined;
}

/** One run of all subjects on one Node. */
export interface Run {
  machine: Machine;
  quick: boolean;
  seconds: number;
  subjects: readonly SubjectRun[];
  rows: readonly Row[];
}

/** By major version of Node. */
export type Results = Readonly<Record<string, Run>>;

const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));
/** The page with the table. */
export const PAGE = fileURLToPath(new URL("README.md", import.meta.url));

/** Returns the results that are committed. */
export function recordedResults(): Results {
  return existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, "utf8")) : {};
}

/** Replaces the results of the run's Node, and the table on the page. */
export function record(run: Run): void {
  const results = { ...recordedResults(), [majorOf(run)]: run };
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8"), results));
}

/** The highest load: the average before the run, and what others did before each subject. */
export function highestLoad({ machine, subjects }: Pick<Run, "machine" | "subjects">): number {
  return Math.max(machine.load, ...subjects.map(({ others }) => others ?? 0));
}

/**
 * Returns the page with the table of these results between its marks.
 *
 * @throws {Error} If the page doesn't have the marks.
 */
export function withTable(page: string, results: Results): string {
  return betweenMarks(page, markdown(results));
}

/** Returns the table, and below it what was missed or not measured. */
export function markdown(results: Results): string {
  const runs = Object.values(results);
  const comparisons = new Map(runs.flatMap(({ rows }) => rows.map((one) => [keyOf(one), one])));
  const table = [
    ["work", "beside", "mark", ...runs.map(({ machine }) => `Node ${machine.node}`)],
    ["---", "---", "---", ...runs.map(() => "---")],
    ["date", "", "", ...runs.map(({ machine, quick }) => `${machine.date.slice(0, 10)}${quick ? ", quick" : ""}`)],
    ["load", "", "", ...runs.map(loadCell)],
    ...[...comparisons].map(([key, { work, beside, mark, unit }]) => [
      work,
      beside,
      beside === "" ? "" : formatMark(mark, unit),
      ...runs.map(({ rows }) => cell(rows.find((one) => keyOf(one) === key))),
    ]),
  ].map((cells) => `| ${cells.map(escaped).join(" | ")} |`);
  const notes = runs.flatMap(({ machine, rows }) =>
    rows
      .filter(({ outcome }) => outcome !== "reached")
      .map((one) => `- ${symbol(one)} ${machine.node}, ${one.work}: ${escaped(one.details)}`),
  );
  return [...table, ...(notes.length > 0 ? ["", ...notes] : []), ""].join("\n");
}

/** An empty cell is what wasn't tried. The CPU times are less affected by load. */
export function cell(row: Row | undefined): string {
  if (row === undefined) return "";
  const { unit, value, cpu } = row;
  if (value === undefined) return symbol(row);
  return `${symbol(row)} ${formatValue(value, unit)}${cpu === undefined ? "" : ` (CPU ${formatValue(cpu, unit)})`}`;
}

function loadCell(run: Run): string {
  const load = highestLoad(run);
  return load > NOISY ? `${load.toFixed(1)}: noisy` : load.toFixed(1);
}

/** What a program wrote may contain anything. */
function escaped(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[|<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const keyOf = ({ work, beside }: Row) => `${work}|${beside}`;
const majorOf = ({ machine }: Run) => machine.node.replace(/^v(\d+).*/, "$1");
