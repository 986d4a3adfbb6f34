/** What was seen of each peer, kept in `results.json`, from which the tables of docs/servers.md are made. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { betweenMarks, merged, table } from "../recorded-tables.js";
import { type Peer, ROWS, type Seen } from "./scenario.js";

export { cell } from "../recorded-tables.js";

/** What was seen of one peer in one run. */
export interface PeerResult {
  readonly title: string;
  readonly kind: Peer["kind"];
  readonly version: string;
  /** The day of the run, as `2026-11-26`. */
  readonly date: string;
  /** The version of Node.js. */
  readonly node: string;
  readonly seen: readonly Seen[];
}

/** By the names of {@link PEERS}. */
export type Results = Readonly<Record<string, PeerResult>>;

const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));
/** The page with the tables. */
export const PAGE = fileURLToPath(new URL("../../docs/servers.md", import.meta.url));
const KINDS = {
  server: "Servers",
  client: "Clients",
  verifier: "Verifiers",
  store: "Key stores",
  suite: "Conformance suites",
} as const;

/** Returns the results that are committed. */
export function recordedResults(): Results {
  return existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, "utf8")) : {};
}

/** Replaces the results of the peers that ran, and the tables on the page. What passed is recorded without what was seen. */
export function record(results: Results): void {
  const all = Object.entries(merged(recordedResults(), results));
  const sorted = Object.fromEntries(
    all.map(([name, each]) => [name, { ...each, seen: each.seen.map(withoutDetails) }]),
  );
  writeFileSync(RESULTS, `${JSON.stringify(sorted, undefined, 2)}\n`);
  writeFileSync(PAGE, withTables(readFileSync(PAGE, "utf8"), sorted));
}

/** It has ports and times that change with every run. */
function withoutDetails(seen: Seen): Seen {
  return seen.outcome === "passed" ? { ...seen, what: "" } : seen;
}

/**
 * Returns the page with the tables of these results between its marks.
 *
 * @throws {Error} If the page doesn't have the marks.
 */
export function withTables(page: string, results: Results): string {
  return betweenMarks(page, markdown(results));
}

/** Returns one table for each kind of peer, and below it each ✗ with what was seen. */
export function markdown(results: Results): string {
  const kinds = (Object.keys(KINDS) as Peer["kind"][]).map((kind) => {
    const peers = Object.values(results).filter((peer) => peer.kind === kind);
    return peers.length === 0 ? [] : [`### ${KINDS[kind]}`, "", ...table(ROWS, peers), "", ...faults(peers)];
  });
  return `${kinds.flat().join("\n").trim()}\n`;
}

function faults(peers: readonly PeerResult[]): string[] {
  const lines = peers.flatMap(({ title, seen }) =>
    seen
      .filter(({ outcome }) => outcome !== "passed")
      .map(({ row, outcome, what }) => `- ✗ ${title}, ${row} (${outcome === "failed" ? "ours" : "theirs"}): ${what}`),
  );
  return lines.length === 0 ? [] : [...lines, ""];
}
