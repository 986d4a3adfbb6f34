/** Shared by the PKCS#11 benchmarks: proofs at several concurrencies, and the C program as the limit. */
import type { KeyOnToken } from "./c-sign.js";
import { asyncCalls, highestMedian, type Turn } from "./measure.js";
import { type Program, signing } from "./program.js";
import type { MakeProof } from "./request.js";

/** A temporary token with a key. */
export interface Token {
  module: string;
  token: string;
  key: { label: string };
  pin: string;
  env: Readonly<Record<string, string>>;
}

/** Returns what the C program and the signer need to use the token's key. */
export function keyOn({ module, token, key, pin, env }: Token): KeyOnToken {
  return { module, token, key: key.label, pin, env };
}

/** Returns one contender at several concurrencies: `name 4`, `name 8`, … */
export function atEach(
  name: string,
  concurrencies: readonly number[],
  turn: (concurrency: number) => Turn,
): Record<string, Turn> {
  return Object.fromEntries(concurrencies.map((concurrency) => [`${name} ${concurrency}`, turn(concurrency)]));
}

/** Returns proofs at several concurrencies. */
export function proofTurns(
  name: string,
  makeProof: MakeProof,
  concurrencies: readonly number[] = [4, 8, 16],
): Record<string, Turn> {
  return atEach(name, concurrencies, (concurrency) => asyncCalls(makeProof, concurrency));
}

/** Starts the program once per number of sessions, so that a crash doesn't affect the other numbers. */
export async function programTurns(name: string, start: () => Promise<Program>) {
  const programs = await Promise.all([1, 2, 4].map(async (sessions) => ({ sessions, program: await start() })));
  const turns = programs.map(({ sessions, program }) => [`${name} ${sessions}`, signing(program, sessions)]);
  const stop = () => {
    for (const { program } of programs) program.stop();
  };
  return { turns: Object.fromEntries(turns) as Record<string, Turn>, [Symbol.dispose]: stop };
}

/** Returns the rates at the contender's best concurrency, without those at which it failed even once. */
export function fastest(figures: Record<string, number[]>, name: string): number[] {
  const working = Object.entries(figures).filter(([key, rates]) => key.startsWith(`${name} `) && !rates.includes(0));
  if (working.length === 0) throw new Error(`${name} failed at every concurrency.`);
  return highestMedian(...working.map(([, rates]) => rates));
}
