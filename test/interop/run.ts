/**
 * Runs Hardproof against software that others wrote, and prints one table: `npm run interop [name…]`. Without a name, it
 * runs every peer. What it needs is installed into a cache outside the repository. A URL names an instance that runs already:
 * `npm run interop openid -- https://suite.example`. With `--record`, the results replace those on docs/servers.md.
 *
 * It exits with 1 if a scenario fails by our fault, and with `HARDPROOF_INTEROP=require` also if a peer can't be had.
 */
import { parseArgs } from "node:util";
import { PEERS } from "./peers.js";
import { type PeerResult, type Results, record } from "./results.js";
import { type Peer, reporter, type Seen } from "./scenario.js";
import { terminalTable } from "./terminal-table.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { record: { type: "boolean" } } });
const instance = positionals.find((each) => URL.canParse(each));
const named = positionals.filter((each) => each !== instance);
const names = named.length > 0 ? named : Object.keys(PEERS);
const results: Record<string, PeerResult> = {};
const missing: string[] = [];

for (const name of names) {
  const load = PEERS[name];
  if (load === undefined) throw new Error(`${name} isn't one of ${Object.keys(PEERS).join(", ")}.`);
  const peer = await load(instance);
  const version = await peer.install().catch((error: Error) => {
    missing.push(`– ${name} can't be had: ${error.message.trim()}`);
  });
  if (version !== undefined) results[name] = await resultOf(peer, version);
}

report(results);
if (values.record) record(results);
process.exit(process.exitCode); // Some peers' clients keep sockets open.

async function resultOf({ title, kind, run }: Peer, version: string): Promise<PeerResult> {
  console.log(`\n${title} ${version}`);
  const seen: Seen[] = [];
  await run(reporter(seen)).catch((error: Error) => {
    console.error(error);
    seen.push({ row: "refusals", title: "the run", outcome: "failed", what: `the run ended: ${error.message}` });
  });
  return { title, kind, version, date: new Date().toISOString().slice(0, 10), node: process.version, seen };
}

function report(all: Results): void {
  const seen = Object.values(all).flatMap((each) => each.seen);
  const count = (outcome: Seen["outcome"]) => seen.filter((each) => each.outcome === outcome).length;
  console.log(`\n${terminalTable(Object.values(all))}`);
  for (const line of missing) console.log(line);
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("their fault")} failed by their fault`);
  const requiresAll = process.env.HARDPROOF_INTEROP === "require";
  process.exitCode = count("failed") > 0 || (requiresAll && missing.length > 0) ? 1 : 0;
}
