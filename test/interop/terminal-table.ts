/** The table of a run for a terminal: one row for each scenario, one column for each peer. */
import { cell, type PeerResult } from "./results.js";
import { ROWS } from "./scenario.js";

/** Returns the table, and below it the names of its columns. */
export function terminalTable(peers: readonly PeerResult[]): string {
  const rows = ROWS.filter((row) => peers.some((peer) => cell(peer, row) !== ""));
  const width = Math.max(0, ...rows.map((row) => row.length));
  const letters = peers.map((_, index) => columnName(index));
  const line = (label: string, cells: readonly string[]) =>
    `${label.padEnd(width)}  ${cells.map((each) => each.padEnd(2)).join(" ")}`.trimEnd();
  return [
    line("", letters),
    ...rows.map((row) =>
      line(
        row,
        peers.map((peer) => cell(peer, row) || "·"),
      ),
    ),
    "",
    ...peers.map(({ title, version }, index) => `${letters[index]} = ${title} ${version}`),
  ].join("\n");
}

/** A to Z, then A1 to Z1. */
function columnName(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
}
