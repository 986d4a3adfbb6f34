/** `hardproof bench`: measures a key's signatures per second, and their latency. */
import type { Command } from "commander";
import type { Signer } from "../../index.js";
import { type Context, newCommand, positiveNumber } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { keyUri } from "../key-uri.js";
import { openKey, type PublicKeyOption, withPublicKeyOption } from "../open-key.js";
import type { Output } from "../output.js";

interface Level {
  readonly concurrency: number;
  readonly signatures: number;
  readonly perSecond: number;
  /** Latency of one signature in milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const LEVELS = [1, 2, 4, 8, 16, 32];
const SECONDS = 6;
/** About the size of a proof's header and claims. */
const DATA = Buffer.alloc(300, "a");

interface BenchOptions extends PublicKeyOption {
  seconds: number;
  concurrency: number[];
}

/** Returns the command `bench`. */
export function bench(context: Context): Command {
  const { io, output } = context;
  const command = newCommand(
    "bench",
    "measure signatures per second by concurrency (a cloud store bills each signature)",
  )
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY)")
    .option("--seconds <seconds>", "total duration", positiveNumber("--seconds"), SECONDS)
    .option("--concurrency <numbers>", "concurrent signatures, comma-separated", parseConcurrency, LEVELS);
  return withPublicKeyOption(command).action(async (argument: string | undefined, options: BenchOptions) => {
    const { seconds, concurrency } = options;
    await using signer = await openKey(keyUri(argument, io), options, context);
    await signer.sign(DATA, { signal: io.signal });
    const levels: Level[] = [];
    for (const callers of concurrency) {
      output.progress(`${callers} concurrent…`);
      levels.push(await measure(signer, callers, seconds / concurrency.length, io.signal));
    }
    output.document({ uri: signer.uri, levels });
    printChart(output, levels);
  });
}

/** Runs concurrent callers. Each requests its next signature as soon as it has received the previous one. */
async function measure(signer: Signer, concurrency: number, seconds: number, signal: AbortSignal): Promise<Level> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const caller = async () => {
    do {
      const begin = performance.now();
      await signer.sign(DATA, { signal });
      latencies.push(performance.now() - begin);
      // Signing with a key in memory never yields to the event loop, which must run to handle Ctrl-C.
      if (latencies.length % YIELD_EVERY === 0) await new Promise(setImmediate);
      signal.throwIfAborted();
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const perSecond = (latencies.length * 1000) / (performance.now() - start);
  latencies.sort((a, b) => a - b);
  const percentile = (part: number) =>
    latencies[Math.min(Math.floor(latencies.length * part), latencies.length - 1)] ?? 0;
  return {
    concurrency,
    signatures: latencies.length,
    perSecond,
    p50: percentile(0.5),
    p95: percentile(0.95),
    p99: percentile(0.99),
  };
}

/** Signatures between two turns of the event loop. */
const YIELD_EVERY = 64;

function printChart(output: Output, levels: readonly Level[]): void {
  output.line(
    `${"callers".padStart(7)} ${"sign/s".padStart(8)} ${"p50 ms".padStart(8)} ${"p95 ms".padStart(8)} ${"p99 ms".padStart(8)}`,
    "bold",
  );
  const highest = Math.max(...levels.map(({ perSecond }) => perSecond));
  for (const { concurrency, perSecond, p50, p95, p99 } of levels) {
    const figures = [
      String(concurrency).padStart(7),
      perSecond.toFixed(0).padStart(8),
      ...[p50, p95, p99].map((ms) => ms.toFixed(2).padStart(8)),
    ].join(" ");
    output.line(`${figures}  ${bar(perSecond / highest, output.columns - figures.length - 2)}`);
  }
}

/** Draws a bar that fills a fraction of the columns, exact to an eighth of a column. */
export function bar(fraction: number, columns: number): string {
  const eighths = Math.round(fraction * Math.max(columns, 0) * 8);
  return "█".repeat(Math.floor(eighths / 8)) + (["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "");
}

function parseConcurrency(value: string): number[] {
  const numbers = value.split(",").map(Number);
  if (/^\d{1,4}(,\d{1,4})*$/.test(value) && numbers.every((number) => number > 0 && number <= 1024)) return numbers;
  throw new UsageError("--concurrency must be a comma-separated list of whole numbers from 1 to 1024: 1,4,16.");
}
