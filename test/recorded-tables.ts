/** Tables on a page of the docs, made from the results of runs that are kept in a file. */

/** What was seen of one thing that is a column of a table. */
export interface Column<Row extends string = string> {
  readonly title: string;
  readonly version: string;
  /** The day of the run, as `2026-11-26`. */
  readonly date: string;
  readonly seen: readonly Outcome<Row>[];
}

/** The outcome of one scenario. */
export interface Outcome<Row extends string = string> {
  readonly row: Row;
  readonly outcome: string;
}

const MARKS = /(<!-- tables: begin[^>]*-->\n)[\s\S]*(<!-- tables: end -->)/;

/**
 * Returns the page with this Markdown between its marks.
 *
 * @throws {Error} If the page doesn't have the marks.
 */
export function betweenMarks(page: string, markdown: string): string {
  if (!MARKS.test(page)) throw new Error("The page lacks the marks <!-- tables: begin --> and <!-- tables: end -->.");
  return page.replace(MARKS, (_, begin: string, end: string) => `${begin}\n${markdown}\n${end}`);
}

/** Returns the lines of a table, with those of the rows that at least one column has. */
export function table<Row extends string>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const present = rows.filter((row) => columns.some((column) => cell(column, row) !== ""));
  const lines = [
    ["", ...columns.map(({ title, version }) => `${title} ${version}`)],
    ["---", ...columns.map(() => ":-:")],
    ["seen on", ...columns.map(({ date }) => date)],
    ...present.map((row) => [row, ...columns.map((column) => cell(column, row))]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`);
}

/** A row fails if one of its scenarios fails. An empty cell is what the column doesn't have, or what wasn't tried. */
export function cell<Row extends string>({ seen }: Pick<Column<Row>, "seen">, row: Row): string {
  const outcomes = seen.filter((each) => each.row === row).map(({ outcome }) => outcome);
  if (outcomes.length === 0) return "";
  return outcomes.every((outcome) => outcome === "passed") ? "✓" : "✗";
}

/** Returns the results with the new ones, sorted by name. */
export function merged<Result>(recorded: Readonly<Record<string, Result>>, latest: Readonly<Record<string, Result>>) {
  const all = Object.entries({ ...recorded, ...latest }).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(all);
}
