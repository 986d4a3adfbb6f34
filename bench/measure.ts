/** Figures taken side by side: short turns, one after the other, so that a noisy machine disturbs all of them alike. */

/** Works for about so long. @returns calls per second */
export type Turn = (milliseconds: number) => Promise<number>;

export interface Rounds {
  rounds: number;
  /** Length of one turn. */
  milliseconds: number;
}

/** Calls that are awaited, so many of them at once. */
export function awaited(call: () => Promise<unknown>, atOnce = 1): Turn {
  return async (milliseconds) => {
    const start = performance.now();
    let calls = 0;
    const caller = async () => {
      for (; performance.now() - start < milliseconds; calls++) await call();
    };
    await Promise.all(Array.from({ length: atOnce }, caller));
    return rate(calls, start);
  };
}

/** Calls that are done when they return. */
export function blocking(call: () => unknown): Turn {
  return async (milliseconds) => {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < milliseconds; calls++) call();
    return rate(calls, start);
  };
}

/**
 * Gives each its turn, round by round; each round starts with another one. The first round warms up and is not kept.
 *
 * @returns for each, its figure in each round
 */
export async function sideBySide<Name extends string>(
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

/** The series with the highest median. */
export function best(...series: number[][]): number[] {
  return series.reduce((high, one) => (median(one) > median(high) ? one : high));
}

/** Round by round: what met one met the other too. */
export function quotients(ours: number[], theirs: number[]): number[] {
  return ours.map((one, round) => one / (theirs[round] ?? Number.NaN));
}

/** The rate of doing one after the other: the times add up. */
export function oneAfterTheOther(a: number[], b: number[]): number[] {
  return a.map((one, round) => 1 / (1 / one + 1 / (b[round] ?? Number.NaN)));
}

/** How much more time the first takes than the second, in per cent. */
export function extraTime(ours: number[], theirs: number[]): number[] {
  return quotients(theirs, ours).map((times) => 100 * (times - 1));
}

export function median(values: number[]): number {
  return percentile(values, 50);
}

/** Between two values it goes in a straight line. */
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
