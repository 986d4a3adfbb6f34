/** The options of `npm run bench`. */
import { parseArgs } from "node:util";
import { SLOW, SUBJECTS } from "./subjects.js";

/** What is measured, and where. */
export interface Options {
  subjects: readonly string[];
  /** Few and short turns, one minute at most. */
  quick: boolean;
  /** Replaces the results in results.json and the table in README.md. */
  record: boolean;
  /** Major versions of Node. Empty: the one that runs. */
  nodes: readonly string[];
}

/** @throws If an option is unknown, or the results of some subjects would be recorded as those of all. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { quick: { type: "boolean" }, record: { type: "boolean" }, node: { type: "string", multiple: true } },
  });
  const { quick = false, record = false, node = [] } = values;
  const unknown = positionals.find((name) => !Object.hasOwn(SUBJECTS, name));
  if (unknown !== undefined)
    throw new Error(`Unknown subject ${unknown}. Expected one of ${Object.keys(SUBJECTS).join(", ")}.`);
  if (record && positionals.length > 0) throw new Error("--record needs a run of all subjects.");
  const nodes = node.flatMap((list) => list.split(","));
  const wrong = nodes.find((major) => !/^[1-9]\d$/.test(major));
  if (wrong !== undefined) throw new Error(`--node ${wrong}: expected a major version, for example 24.`);
  const all = Object.keys(SUBJECTS).filter((name) => !quick || !SLOW.includes(name));
  return { subjects: positionals.length > 0 ? positionals : all, quick, record, nodes };
}
