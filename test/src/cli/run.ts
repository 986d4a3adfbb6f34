/** Runs the command in the test's process, with streams, an environment and a signal that the test controls. */
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { hardproof } from "../../../src/cli/hardproof.js";
import type { Io } from "../../../src/cli/io.js";

/** The exit code and the output of a command. */
export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The environment and streams of a command. */
export interface RunOptions {
  env?: Record<string, string>;
  stdin?: string | Buffer;
  signal?: AbortSignal;
  /** The width of a terminal that both output streams appear to be connected to. */
  columns?: number;
  /** Receives the chunks of standard error. */
  onError?: (text: string) => void;
}

/** Runs `hardproof` with these arguments. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const terminal = options.columns === undefined ? {} : { isTTY: true, columns: options.columns };
  const stdout = Object.assign(new PassThrough({ highWaterMark: 2 ** 24 }), terminal);
  const stderr = Object.assign(new PassThrough({ highWaterMark: 2 ** 24 }), terminal);
  stderr.on("data", (chunk) => options.onError?.(String(chunk)));
  const { stdin = "", env = {}, signal = new AbortController().signal } = options;
  const io: Io = { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr, env, signal };
  const printed = Promise.all([text(stdout), text(stderr)]);
  const code = await hardproof(args, io);
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, out, err };
}

/** Whether the text is a valid error report: one line without a stack trace or control characters. */
export function isOneLine(err: string): boolean {
  return /^hardproof: [^\p{Cc}]+\n$/u.test(err) && !/\bat .*\.[jt]s\b|node:internal/.test(err);
}
