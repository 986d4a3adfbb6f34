/** The tables of docs/runtimes.md. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Cell, reporter, type Seen } from "./cell.js";
import { CELLS } from "./cells.js";
import { type CellResult, markdown, PAGE, recordedResults, withTables } from "./results.js";
import { type Row, TABLES } from "./rows.js";

const order = Object.keys(CELLS);
const result = (title: string, kind: CellResult["kind"], seen: readonly Seen[]): CellResult => ({
  title,
  kind,
  version: "1.0",
  date: "2026-11-26",
  seen,
});
const passed = (row: Row): Seen => ({ row, outcome: "passed", what: "" });

describe("the page", () => {
  it("has a table for each kind, with the columns in their order, and below it what failed", () => {
    const results = {
      b: result("B", "runtime", [passed("AWS KMS"), { row: "a key in memory", outcome: "failed", what: "It ended." }]),
      a: result("A", "runtime", [passed("a key in memory")]),
      tsc: result("T", "compiler", [passed("`nodenext`")]),
      removed: result("R", "runtime", [passed("AWS KMS")]),
    };
    expect(markdown(results, ["a", "b", "tsc"])).toBe(`### Runtimes

|  | A 1.0 | B 1.0 |
| --- | :-: | :-: |
| seen on | 2026-11-26 | 2026-11-26 |
| a key in memory | ✓ | ✗ |
| AWS KMS |  | ✓ |

- ✗ B 1.0, a key in memory: It ended.

### TypeScript

|  | T 1.0 |
| --- | :-: |
| seen on | 2026-11-26 |
| \`nodenext\` | ✓ |
`);
  });

  it("is made from the recorded results", () => {
    const page = readFileSync(PAGE, "utf8");
    expect(withTables(page, recordedResults(), order)).toBe(page);
  });
});

describe("the recorded results", () => {
  const differences = (results: Record<string, CellResult>) =>
    Object.entries(results).flatMap(([name, { kind, title, version, seen }]) => {
      const cell: Cell | undefined = CELLS[name];
      const rows: readonly Row[] = TABLES[kind].rows;
      const isOfCell = cell?.kind === kind && cell.title === title && cell.version === version;
      return [...(isOfCell ? [] : [name]), ...seen.map(({ row }) => row).filter((row) => !rows.includes(row))];
    });

  it("are of cells and rows that exist, in the versions that the cells have", () => {
    expect(differences({ ...recordedResults() })).toEqual([]);
    const stale = { bun: result("Bun", "runtime", [passed("`nodenext`")]) };
    expect(differences(stale)).toEqual(["bun", "`nodenext`"]);
  });
});

describe("a check", () => {
  it("passes, or fails with what was thrown in one line", async () => {
    const seen: Seen[] = [];
    const check = reporter(seen);
    await check("AWS KMS", () => undefined);
    await check("AWS KMS", () => Promise.reject(new Error("It ended\n  with 1.")));
    await check("AWS KMS", () => {
      throw new Error("");
    });
    expect(seen.map(({ outcome, what }) => [outcome, what])).toEqual([
      ["passed", ""],
      ["failed", "It ended with 1."],
      ["failed", "It failed without a message."],
    ]);
  });
});
