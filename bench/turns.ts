/** Measures contenders in short turns, one after another, so that other load on the machine affects all of them alike. */
import { median } from "./median.js";
import { type Program, ProgramFailure } from "./program.js";

/** What a contender did in one turn. */
export interface Figures {
  calls: number;
  /** Calls per second. */
  rate: number;
  /** CPU time of all threads of the process per call, in µs. */
  cpu: number;
}

/** Works for about this long. */
export type Turn = (milliseconds: number) => Promise<Figures>;

/** Number and length of the turns of each contender. */
export interface Rounds {
  rounds: number;
  /** Length of one turn. */
  milliseconds: number;
}

/** Adapts the number and length of turns to the time that the run may take. */
export type Scale = (full: Rounds) => Rounds;

/** The counted turns of a contender. */
export interface Series {
  readonly turns: Figures[];
  /** Why it can't be measured. It has taken no turn since. */
  failure?: string;
}

/** Milliseconds in addition to the length of a turn. A turn ends when the last of its calls does. */
const TURN_LIMIT = 10_000;

/** Returns a turn of a program that answers "turn CALLERS MILLISECONDS" by "CALLS NANOSECONDS CPU-NANOSECONDS". */
export function turnOf(program: Program, callers = 1, limit = TURN_LIMIT): Turn {
  return async (milliseconds) => {
    const answer = await program.request(`turn ${callers} ${milliseconds}`, milliseconds + limit);
    const [calls = 0, nanoseconds = 0, cpu = 0] = /^\d+ \d+ \d+$/.test(answer) ? answer.split(" ").map(Number) : [];
    if (calls === 0 || nanoseconds === 0)
      throw new ProgramFailure(`${program.title} answered "${answer.slice(0, 200)}"`);
    return { calls, rate: (1e9 * calls) / nanoseconds, cpu: cpu / 1e3 / calls };
  };
}

/**
 * Runs the turns round by round. Each round starts with another contender. The first round warms up and isn't counted.
 * A contender that fails takes no further turn, and the others go on.
 */
export async function takeTurns<Name extends string>(
  turns: Record<Name, Turn>,
  { rounds, milliseconds }: Rounds,
): Promise<Record<Name, Series>> {
  const names = Object.keys(turns) as Name[];
  const series = Object.fromEntries(names.map((name) => [name, { turns: [] }])) as unknown as Record<Name, Series>;
  for (let round = 0; round <= rounds; round++)
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const one = series[name];
      if (one.failure !== undefined) continue;
      try {
        const figures = await turns[name](milliseconds);
        if (round > 0) one.turns.push(figures);
      } catch (error) {
        if (!(error instanceof ProgramFailure)) throw error;
        one.failure = error.message;
      }
    }
  return series;
}

/** Returns the series with the highest median rate of those without a failure. If all failed, the first one. */
export function fastest(...series: [Series, ...Series[]]): Series {
  const [first] = series;
  const working = series.filter(({ failure }) => failure === undefined);
  return working.reduce((best, one) => (medianRate(one) > medianRate(best) ? one : best), working[0] ?? first);
}

/** Returns the figures of calling one after the other, where the times add up. */
export function inSequence(a: Series, b: Series): Series {
  const failure = a.failure ?? b.failure;
  if (failure !== undefined) return { turns: [], failure };
  const turns = a.turns.map(({ calls, rate, cpu }, round) => {
    const other = b.turns[round];
    return { calls, rate: 1 / (1 / rate + 1 / (other?.rate ?? Number.NaN)), cpu: cpu + (other?.cpu ?? Number.NaN) };
  });
  return { turns };
}

/** Returns the median of the rates. */
export function medianRate({ turns }: Series): number {
  return median(turns.map(({ rate }) => rate));
}

/** Returns the median of the CPU times, in µs. */
export function medianCpu({ turns }: Series): number {
  return median(turns.map(({ cpu }) => cpu));
}
