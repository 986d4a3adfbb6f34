/** The table of the bench's results, and its options. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../bench/machine.js";
import { parseOptions } from "../../bench/options.js";
import { heading, lines } from "../../bench/report.js";
import { cell, highestLoad, markdown, PAGE, type Run, recordedResults, withTable } from "../../bench/results.js";
import type { Row } from "../../bench/row.js";
import { SLOW, SUBJECTS } from "../../bench/subjects.js";

const reached: Row = {
  work: "memory",
  beside: "bare",
  mark: { atLeast: 0.85 },
  unit: "×",
  outcome: "reached",
  value: 0.9,
  spread: [0.8, 1],
  cpu: 0.95,
  details: "1/s beside 2/s",
};
const missed: Row = { ...reached, work: "fetch", outcome: "missed", value: 0.5 };
const { value: _, spread: __, cpu: ___, ...without } = reached;
const notMeasured: Row = { ...without, work: "C", outcome: "not measured", details: "cc | isn't\ninstalled" };
const machine: Machine = {
  cpu: "CPU",
  cores: 2,
  system: "Linux",
  node: "v24.21.0",
  openssl: "3.5.8",
  load: 0.1,
  commit: "abc",
  date: "2026-11-26T10:00:00.000Z",
};
const run = (rows: Row[], more: Partial<Machine> = {}, others?: number): Run => ({
  machine: { ...machine, ...more },
  quick: true,
  seconds: 50,
  subjects: [{ subject: "memory", seconds: 1, others }],
  rows,
});

describe("the page", () => {
  it("has a column for each Node, and says what was missed or not measured", () => {
    const results = { 20: run([reached, missed], { node: "v20.20.2" }), 24: run([reached, notMeasured], { load: 2 }) };
    expect(markdown(results)).toBe(`| work | beside | mark | Node v20.20.2 | Node v24.21.0 |
| --- | --- | --- | --- | --- |
| date |  |  | 2026-11-26, quick | 2026-11-26, quick |
| load |  |  | 0.1 | 2.0: noisy |
| memory | bare | ≥ 0.85 × | ✓ 0.90 × (CPU 0.95 ×) | ✓ 0.90 × (CPU 0.95 ×) |
| fetch | bare | ≥ 0.85 × | ✗ 0.50 × (CPU 0.95 ×) |  |
| C | bare | ≥ 0.85 × |  | – |

- ✗ v20.20.2, fetch: 1/s beside 2/s
- – v24.21.0, C: cc &#124; isn't installed
`);
  });

  it("has the results that are recorded", () => {
    const page = readFileSync(PAGE, "utf8");
    expect(page).toBe(withTable(page, recordedResults()));
  });

  it("is unchanged by the same results, and must have the marks", () => {
    const page = "a\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nb\n";
    const once = withTable(page, { 24: run([reached]) });
    expect(once).toContain("✓ 0.90 ×");
    expect(withTable(once, { 24: run([reached]) })).toBe(once);
    expect(() => withTable("no marks", {})).toThrow("lacks the marks");
  });

  it("has the same lines whatever a program has written", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (details) => {
        const [first, ...others] = markdown({ 24: run([{ ...missed, details }]) }).split("\n- ");
        expect(others).toHaveLength(1);
        expect(first).not.toContain("-->");
        expect(others[0]).not.toMatch(/[|<>\r]|\n./);
      }),
    );
  });
});

describe("a row", () => {
  it("says reached, missed, or not measured", () => {
    expect(lines(reached)).toContain("✓ reached: memory | beside: bare\n      0.90 ×, CPU 0.95 ×, mark ≥ 0.85 ×");
    expect(lines(missed)).toContain("✗ missed: fetch");
    expect(lines(notMeasured)).toContain("– not measured: C | beside: bare\n      cc | isn't");
  });

  it("that wasn't tried on a Node is an empty cell", () => {
    expect([cell(undefined), cell(notMeasured)]).toEqual(["", "–"]);
  });
});

describe("a run on a busy machine", () => {
  it.each([
    ["before it", run([], { load: 1.6 })],
    ["during it", run([], {}, 3)],
  ])("is marked as noisy if it was busy %s", (_, busy) => {
    expect(highestLoad(busy)).toBeGreaterThan(1.5);
    expect(heading(busy)).toContain("noisy");
    expect(markdown({ 24: busy })).toContain(": noisy |");
  });

  it("isn't marked up to a load of 1.5", () => {
    expect(heading(run([], { load: 1.5 }, 1.5))).not.toContain("noisy");
  });
});

describe("options", () => {
  it("select all subjects, and with --quick those that don't take long", () => {
    expect(parseOptions([]).subjects).toEqual(Object.keys(SUBJECTS));
    expect(parseOptions(["--quick"]).subjects).toEqual(Object.keys(SUBJECTS).filter((name) => !SLOW.includes(name)));
    expect(parseOptions(["tpm", "--quick"]).subjects).toEqual(["tpm"]);
  });

  it("select versions of Node", () => {
    expect(parseOptions(["--node", "20,22", "--node", "24"]).nodes).toEqual(["20", "22", "24"]);
  });

  it.each([
    [["constructor"], "Unknown subject constructor"],
    [["--node", "24.1"], "expected a major version"],
    [["--node", ""], "expected a major version"],
    [["--node", "../24"], "expected a major version"],
    [["memory", "--record"], "needs a run of all subjects"],
    [["--fast"], "--fast"],
  ])("%j are rejected", (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});
