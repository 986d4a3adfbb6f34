/**
 * Imported by a server, it sets the clock of this process fast by the seconds in a file, whose path is in `CLOCK_FILE`.
 * The file is read ten times per second.
 */
import { readFileSync } from "node:fs";

const SystemDate = Date;
const path = process.env.CLOCK_FILE ?? "";
let offset = 0; // Milliseconds.

setInterval(() => {
  offset = 1000 * Number(readFileSync(path, "utf8"));
}, 100).unref();

globalThis.Date = class extends SystemDate {
  constructor(...args: [] | [string | number | Date]) {
    if (args.length === 0) super(SystemDate.now() + offset);
    else super(...args);
  }
  static override now(): number {
    return SystemDate.now() + offset;
  }
} as DateConstructor;
