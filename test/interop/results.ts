/** What was seen of each peer, kept in `results.json`, from which the tables of docs/servers.md are made. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Peer, ROWS, type Row, type Seen } from "./scenario.js";

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
const MARKS = /(<!-- tables: begin[^>]*-->\n)[\s\S]*(<!-- tables: end -->)/;

/** Returns the results that are committed. */
export function recordedResults(): Results {
  return existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, "utf8")) : {};
}

/** Replaces the results of the peers that ran, and the tables on the page. What passed is recorded without what was seen. */
export function record(results: Results): void {
  const all = Object.entries({ ...recordedResults(), ...results }).sort(([a], [b]) => (a < b ? -1 : 1));
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
  if (!MARKS.test(page)) throw new Error("The page lacks the marks <!-- tables: begin --> and <!-- tables: end -->.");
  return page.replace(MARKS, (_, begin: string, end: string) => `${begin}\n${markdown(results)}\n${end}`);
}

/** Returns one table for each kind of peer, and below it each ✗ with what was seen. */
export function markdown(results: Results): string {
  const kinds = (Object.keys(KINDS) as Peer["kind"][]).map((kind) => {
    const peers = Object.values(results).filter((peer) => peer.kind === kind);
    return peers.length === 0 ? [] : [`### ${KINDS[kind]}`, "", ...table(peers), "", ...faults(peers)];
  });
  return `${kinds.flat().join("\n").trim()}\n`;
}

function table(peers: readonly PeerResult[]): string[] {
  const rows = ROWS.filter((row) => peers.some(({ seen }) => seen.some((each) => each.row === row)));
  const lines = [
    ["", ...peers.map(({ title, version }) => `${title} ${version}`)],
    ["---", ...peers.map(() => ":-:")],
    ["seen on", ...peers.map(({ date }) => date)],
    ...rows.map((row) => [row, ...peers.map((peer) => cell(peer, row))]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`);
}

/** A row fails if one of its scenarios fails. An empty cell is what the peer doesn't have, or what wasn't tried. */
export function cell({ seen }: Pick<PeerResult, "seen">, row: Row): string {
  const outcomes = seen.filter((each) => each.row === row).map(({ outcome }) => outcome);
  if (outcomes.length === 0) return "";
  return outcomes.every((outcome) => outcome === "passed") ? "✓" : "✗";
}

function faults(peers: readonly PeerResult[]): string[] {
  const lines = peers.flatMap(({ title, seen }) =>
    seen
      .filter(({ outcome }) => outcome !== "passed")
      .map(({ row, outcome, what }) => `- ✗ ${title}, ${row} (${outcome === "failed" ? "ours" : "theirs"}): ${what}`),
  );
  return lines.length === 0 ? [] : [...lines, ""];
}
