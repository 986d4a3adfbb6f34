/** What was seen of each cell, kept in `results.json`, from which the tables of docs/runtimes.md are made. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { betweenMarks, type Column, merged, table } from "../recorded-tables.js";
import type { Seen } from "./cell.js";
import { type Kind, type Row, TABLES } from "./rows.js";

/** What was seen of one cell in one run. */
export interface CellResult extends Column<Row> {
  readonly kind: Kind;
  readonly seen: readonly Seen[];
}

/** By the names of the cells. */
export type Results = Readonly<Record<string, CellResult>>;

const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));
/** The page with the tables. */
export const PAGE = fileURLToPath(new URL("../../docs/runtimes.md", import.meta.url));

/** Returns the results that are committed. */
export function recordedResults(): Results {
  return existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, "utf8")) : {};
}

/** Replaces the results of the cells that ran, and the tables on the page. */
export function record(results: Results, order: readonly string[]): void {
  const all = merged(recordedResults(), results);
  writeFileSync(RESULTS, `${JSON.stringify(all, undefined, 2)}\n`);
  writeFileSync(PAGE, withTables(readFileSync(PAGE, "utf8"), all, order));
}

/**
 * Returns the page with the tables of these results between its marks.
 *
 * @param order - The names of the cells, in the order of the columns.
 */
export function withTables(page: string, results: Results, order: readonly string[]): string {
  return betweenMarks(page, markdown(results, order));
}

/** Returns one table for each kind of cell, and below it each ✗ with what was seen. */
export function markdown(results: Results, order: readonly string[]): string {
  const columns = order.flatMap((name) => results[name] ?? []);
  const tables = (Object.keys(TABLES) as Kind[]).flatMap((kind) => {
    const ofKind = columns.filter((column) => column.kind === kind);
    const { title, rows } = TABLES[kind];
    return ofKind.length === 0 ? [] : [`### ${title}`, "", ...table<Row>(rows, ofKind), "", ...failures(ofKind)];
  });
  return `${tables.join("\n").trim()}\n`;
}

function failures(columns: readonly CellResult[]): string[] {
  const lines = columns.flatMap(({ title, version, seen }) =>
    seen.filter(({ what }) => what !== "").map(({ row, what }) => `- ✗ ${title} ${version}, ${row}: ${what}`),
  );
  return lines.length === 0 ? [] : [...lines, ""];
}
