/** The tables of interoperability tests, for the terminal and for docs/servers.md. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PEERS } from "./peers.js";
import { cell, markdown, PAGE, type PeerResult, recordedResults, withTables } from "./results.js";
import { ROWS, type Seen } from "./scenario.js";
import { terminalTable } from "./terminal-table.js";

const passed = { row: "nonces", title: "t", outcome: "passed", what: "w" } as const;
const failed = { ...passed, outcome: "failed", what: "status 400" } as const;
const theirs = { ...passed, row: "device", outcome: "their fault", what: "RFC 8628 §3.2 isn't followed" } as const;
const peer = (title: string, seen: readonly Seen[], kind: PeerResult["kind"] = "server"): PeerResult => ({
  title,
  kind,
  version: "1.0",
  date: "2026-11-26",
  node: "v20.0.0",
  seen,
});

describe("a cell", () => {
  it.each([
    ["✓", [passed]],
    ["✓", [passed, passed, theirs]],
    ["✗", [passed, failed]],
    ["✗", [{ ...theirs, row: "nonces" }, passed]],
    ["", [theirs]],
    ["", []],
  ] as const)("is %j", (expected, seen) => {
    expect(cell({ seen }, "nonces")).toBe(expected);
  });
});

describe("the page", () => {
  const results = {
    b: peer("B", [theirs, failed]),
    a: peer("A", [passed, { ...passed, row: "private_key_jwt" }]),
    v: peer("V", [{ ...passed, row: "200 proofs" }], "verifier"),
  };

  it("has a table for each kind, with the rows in their order, and below it what failed", () => {
    expect(markdown(results)).toBe(`### Servers

|  | B 1.0 | A 1.0 |
| --- | :-: | :-: |
| seen on | 2026-11-26 | 2026-11-26 |
| private_key_jwt |  | ✓ |
| device | ✗ |  |
| nonces | ✗ | ✓ |

- ✗ B, device (theirs): RFC 8628 §3.2 isn't followed
- ✗ B, nonces (ours): status 400

### Verifiers

|  | V 1.0 |
| --- | :-: |
| seen on | 2026-11-26 |
| 200 proofs | ✓ |
`);
  });

  it("keeps its text around the tables, and is the same when they are written again", () => {
    const page = "# Servers\n<!-- tables: begin (generated) -->\nold\n<!-- tables: end -->\nThe end, for $1 and $&.\n";
    const written = withTables(page, results);
    expect(written).toBe(page.replace("old\n", () => `\n${markdown(results)}\n`));
    expect(withTables(written, results)).toBe(written);
  });

  it("must have the marks", () => {
    expect(() => withTables("# Servers\n", results)).toThrow("marks");
  });
});

describe("the table in the terminal", () => {
  it("has a letter for each peer, and a dot for what a peer doesn't have", () => {
    expect(terminalTable([peer("A server", [passed, theirs]), peer("Another", [passed])])).toBe(
      ["        A  B", "device  ✗  ·", "nonces  ✓  ✓", "", "A = A server 1.0", "B = Another 1.0"].join("\n"),
    );
  });

  it("names more columns than the alphabet has letters", () => {
    const lines = terminalTable(Array.from({ length: 28 }, () => peer("P", [passed]))).split("\n");
    expect(lines.slice(-3)).toEqual(["Z = P 1.0", "A1 = P 1.0", "B1 = P 1.0"]);
    expect(lines[1]?.match(/✓/g)).toHaveLength(28);
  });

  it("is empty without peers", () => {
    expect(terminalTable([]).trim()).toBe("");
  });
});

describe("the recorded results", () => {
  const recorded = Object.entries(recordedResults());
  const strangers = (results: typeof recorded) =>
    results.flatMap(([name, { seen }]) => [
      ...(name in PEERS ? [] : [name]),
      ...seen.map(({ row }) => row).filter((row) => !ROWS.includes(row)),
    ]);

  it("are of peers and rows that exist", () => {
    expect(strangers(recorded)).toEqual([]);
    const removed = { ...passed, row: "a removed row" } as unknown as Seen;
    expect(strangers([["a removed peer", peer("P", [removed])]])).toEqual(["a removed peer", "a removed row"]);
  });

  it("are those on docs/servers.md", () => {
    const page = readFileSync(PAGE, "utf8");
    expect(withTables(page, recordedResults())).toBe(page);
  });
});
