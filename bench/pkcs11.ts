/** What the measurements on PKCS#11 tokens share: proofs at several concurrencies, and the C program that limits them. */
import type { KeyOnToken } from "./c-sign.js";
import { awaited, best, type Turn } from "./measure.js";
import { type Program, signing } from "./program.js";
import type { Proof } from "./request.js";

export interface Token {
  module: string;
  token: string;
  key: { label: string };
  pin: string;
  env: Readonly<Record<string, string>>;
}

export function keyOn({ module, token, key, pin, env }: Token): KeyOnToken {
  return { module, token, key: key.label, pin, env };
}

/** One contender in several manners: `name 4`, `name 8`, … */
export function atEach(name: string, many: readonly number[], turn: (many: number) => Turn): Record<string, Turn> {
  return Object.fromEntries(many.map((one) => [`${name} ${one}`, turn(one)]));
}

export function proofTurns(name: string, proof: Proof, atOnce: readonly number[] = [4, 8, 16]): Record<string, Turn> {
  return atEach(name, atOnce, (many) => awaited(proof, many));
}

/** The program, once for each number of sessions: one that fails or crashes takes no other with it. */
export async function programTurns(name: string, start: () => Promise<Program>) {
  const programs = await Promise.all([1, 2, 4].map(async (sessions) => ({ sessions, program: await start() })));
  const turns = programs.map(({ sessions, program }) => [`${name} ${sessions}`, signing(program, sessions)]);
  const stop = () => {
    for (const { program } of programs) program.stop();
  };
  return { turns: Object.fromEntries(turns) as Record<string, Turn>, [Symbol.dispose]: stop };
}

/** The rates of the manner in which it was fastest. One in which it failed, if only once, is none. */
export function fastest(figures: Record<string, number[]>, name: string): number[] {
  const working = Object.entries(figures).filter(([key, rates]) => key.startsWith(`${name} `) && !rates.includes(0));
  if (working.length === 0) throw new Error(`${name} failed in every manner.`);
  return best(...working.map(([, rates]) => rates));
}
