/**
 * Measures contenders in short turns, one after another, so that other load on the machine affects all of them alike.
 */

/** Works for about this long, and returns the calls per second. */
export type Turn = (milliseconds: number) => Promise<number>;

/** Number and length of the turns of each contender. */
export interface Rounds {
  rounds: number;
  /** Length of one turn. */
  milliseconds: number;
}

/** Returns a turn of asynchronous calls by `concurrency` callers. */
export function asyncCalls(call: () => Promise<unknown>, concurrency = 1): Turn {
  return async (milliseconds) => {
    const start = performance.now();
    let calls = 0;
    const caller = async () => {
      for (; performance.now() - start < milliseconds; calls++) await call();
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
    return rate(calls, start);
  };
}

/** Returns a turn of synchronous calls. */
export function syncCalls(call: () => unknown): Turn {
  return async (milliseconds) => {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < milliseconds; calls++) call();
    return rate(calls, start);
  };
}

/**
 * Runs the turns round by round. Each round starts with another contender. The first round warms up and isn't counted.
 *
 * @returns For each contender, its figure in each round.
 */
export async function interleave<Name extends string>(
  turns: Record<Name, Turn>,
  { rounds, milliseconds }: Rounds,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(turns) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round++)
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const figure = await turns[name](milliseconds);
      if (round > 0) figures[name].push(figure);
    }
  return figures;
}

/** Returns the series with the highest median. */
export function highestMedian(...series: number[][]): number[] {
  return series.reduce((high, one) => (median(one) > median(high) ? one : high));
}

/** Returns the ratio within each round: other load in a round affects both sides. */
export function ratios(values: number[], references: number[]): number[] {
  return values.map((value, round) => value / (references[round] ?? Number.NaN));
}

/** Returns the rate of doing both sequentially, where the times add up. */
export function sequentialRates(a: number[], b: number[]): number[] {
  return a.map((one, round) => 1 / (1 / one + 1 / (b[round] ?? Number.NaN)));
}

/** Returns how much more time a call takes than a call of the reference, in per cent. */
export function extraTime(rates: number[], references: number[]): number[] {
  return ratios(references, rates).map((times) => 100 * (times - 1));
}

/** Returns the median. */
export function median(values: number[]): number {
  return percentile(values, 50);
}

/** Returns a percentile, linearly interpolated between two values. */
export function percentile(values: number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

function rate(calls: number, start: number): number {
  return (1000 * calls) / (performance.now() - start);
}
