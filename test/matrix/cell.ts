/** One column of a table: a runtime, bundler, package manager or compiler, and what was seen with it. */
import type { Kind, Row } from "./rows.js";
import type { Setting } from "./setting.js";

/** What was seen in one row. */
export interface Seen {
  readonly row: Row;
  readonly outcome: "passed" | "failed";
  /** What failed, in one line. Empty if it passed. */
  readonly what: string;
}

/** Runs one check and reports it. A rejection is a failure. */
export type Check = (row: Row, work: () => unknown) => Promise<void>;

/** What a cell needs. */
export interface Context {
  readonly setting: Setting;
  /** The path of the packed package. */
  readonly tarball: string;
  readonly check: Check;
}

/** A runtime, bundler, package manager or compiler in one version. */
export interface Cell {
  /** Its name in the table. */
  readonly title: string;
  readonly kind: Kind;
  readonly version: string;
  /** Installs it into the cache unless it is there. */
  install(): Promise<unknown>;
  run(context: Context): Promise<void>;
}

/** Returns a function that prints each check with a ✓ or a ✗, and appends it to the list. */
export function reporter(seen: Seen[]): Check {
  return async (row, work) => {
    const what = await failureOf(work);
    seen.push({ row, outcome: what === "" ? "passed" : "failed", what });
    console.log(`${what === "" ? "✓" : "✗"} ${row}${what && `: ${what}`}`);
  };
}

async function failureOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "";
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replaceAll(/\s+/g, " ").trim().slice(0, 400) || "It failed without a message.";
  }
}
