/** `hardproof bench`: how many signatures a key makes in a second, and how long each takes. */
import type { Command } from "commander";
import { openSigner, type Signer } from "../../index.js";
import { type Context, newCommand, positive } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { keyUri } from "../key-uri.js";
import type { Output } from "../output.js";

interface Level {
  readonly concurrency: number;
  readonly signatures: number;
  readonly perSecond: number;
  /** Milliseconds that one signature took. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const LEVELS = [1, 2, 4, 8, 16, 32];
const SECONDS = 6;
/** About what a proof has. */
const DATA = Buffer.alloc(300, "a");

export function bench({ world, output }: Context): Command {
  return newCommand("bench", "measure signatures per second at rising concurrency (a cloud store charges for each)")
    .argument("[uri]", "the key")
    .option("--seconds <seconds>", "how long all of it takes", positive("--seconds"), SECONDS)
    .option("--concurrency <numbers>", "how many at once, comma-separated", concurrencies, LEVELS)
    .action(async (given: string | undefined, { seconds, concurrency }: { seconds: number; concurrency: number[] }) => {
      await using signer = await openSigner(keyUri(given, world));
      await signer.sign(DATA, { signal: world.signal });
      const levels: Level[] = [];
      for (const each of concurrency) {
        output.progress(`${each} at once…`);
        levels.push(await measure(signer, each, seconds / concurrency.length, world.signal));
      }
      output.document({ uri: signer.uri, levels });
      chart(output, levels);
    });
}

/** Each of so many callers signs again as soon as it has its signature. */
async function measure(signer: Signer, concurrency: number, seconds: number, signal: AbortSignal): Promise<Level> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const caller = async () => {
    do {
      const begun = performance.now();
      await signer.sign(DATA, { signal });
      latencies.push(performance.now() - begun);
      // A key in memory never waits: let Ctrl-C be heard.
      if (latencies.length % BREATH === 0) await new Promise(setImmediate);
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

const BREATH = 64;

function chart(output: Output, levels: readonly Level[]): void {
  output.line(
    `${"at once".padStart(7)} ${"sign/s".padStart(8)} ${"p50 ms".padStart(8)} ${"p95 ms".padStart(8)} ${"p99 ms".padStart(8)}`,
    "bold",
  );
  const most = Math.max(...levels.map(({ perSecond }) => perSecond));
  for (const { concurrency, perSecond, p50, p95, p99 } of levels) {
    const figures = [
      String(concurrency).padStart(7),
      perSecond.toFixed(0).padStart(8),
      ...[p50, p95, p99].map((ms) => ms.toFixed(2).padStart(8)),
    ].join(" ");
    output.line(`${figures}  ${bar(perSecond / most, output.columns - figures.length - 2)}`);
  }
}

/** In eighths of a column. */
export function bar(part: number, columns: number): string {
  const eighths = Math.round(part * Math.max(columns, 0) * 8);
  return "█".repeat(Math.floor(eighths / 8)) + (["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "");
}

function concurrencies(value: string): number[] {
  const numbers = value.split(",").map(Number);
  if (/^\d{1,4}(,\d{1,4})*$/.test(value) && numbers.every((number) => number > 0 && number <= 1024)) return numbers;
  throw new UsageError("--concurrency must be whole numbers from 1 to 1024, comma-separated: 1,4,16.");
}
