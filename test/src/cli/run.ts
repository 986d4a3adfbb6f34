/** The command in this process, with streams, an environment and a Ctrl-C of the test's own. */
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { hardproof } from "../../../src/cli/hardproof.js";
import type { World } from "../../../src/cli/io.js";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  stdin?: string | Buffer;
  signal?: AbortSignal;
  /** Makes both streams of a terminal that is so wide. */
  columns?: number;
  /** Hears standard error as it comes. */
  onError?: (text: string) => void;
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const terminal = options.columns === undefined ? {} : { isTTY: true, columns: options.columns };
  const stdout = Object.assign(new PassThrough({ highWaterMark: 2 ** 24 }), terminal);
  const stderr = Object.assign(new PassThrough({ highWaterMark: 2 ** 24 }), terminal);
  stderr.on("data", (chunk) => options.onError?.(String(chunk)));
  const { stdin = "", env = {}, signal = new AbortController().signal } = options;
  const world: World = { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr, env, signal };
  const printed = Promise.all([text(stdout), text(stderr)]);
  const code = await hardproof(args, world);
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, out, err };
}

/** What is promised of each failure: one line, no stack, nothing that a terminal would obey. */
export function isOneLine(err: string): boolean {
  return /^hardproof: [^\p{Cc}]+\n$/u.test(err) && !/\bat .*\.[jt]s\b|node:internal/.test(err);
}
