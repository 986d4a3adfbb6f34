/** Proofs with a key in a cloud KMS, compared with the official client on its own, against an emulator on loopback. */

import { startContender } from "../contender.js";
import { benchAlgorithm } from "../contenders/bench-algorithm.js";
import { type Program, ProgramFailure, together } from "../program.js";
import { type Row, rateRow, row } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";

/** What differs between the clouds. */
export interface Cloud {
  name: string;
  /** The name of its emulator. */
  emulator: "aws" | "gcp";
  /** The cloud's own name for the key's algorithm. */
  algorithm: string;
  /** The file of its contenders. */
  contenders: string;
  beside: string;
}

/** Milliseconds that the emulator waits with many callers. Without them, it answers at once. */
const LATENCY = 20;
const CALLERS = 200;

/** Measures proofs by one caller, by many, and the number of requests for each proof. */
export async function measureCloud({ name, emulator, algorithm, contenders, beside }: Cloud, scale: Scale) {
  await using service = startContender("emulator", [emulator, algorithm], { title: `${name}'s emulator` });
  const connection = await service.firstLine;
  const start = (contender: string) =>
    startContender(contenders, [contender, connection], { title: `${name}, ${contender}` });
  await using programs = await together({ hardproof: start("hardproof"), bare: start("bare") });
  const { alg } = benchAlgorithm();
  const subject = alg === "ES256" ? name : `${name} (${alg})`;
  const compare = async (callers: number, rounds: number, milliseconds: number): Promise<Row> => {
    const turns = { hardproof: turnOf(programs.hardproof, callers), bare: turnOf(programs.bare, callers) };
    const seen = await takeTurns(turns, scale({ rounds, milliseconds }));
    return rateRow({ work: `${subject}, ${callers}`, beside, mark: { atLeast: 1 } }, seen.hardproof, seen.bare);
  };
  const alone = await compare(1, 30, 200);
  const requests = await requestsPerProof(`${subject}, requests for a proof`, programs.hardproof, service);
  await service.request(`latency ${LATENCY}`);
  return [alone, await compare(CALLERS, 8, 600), requests];
}

async function requestsPerProof(work: string, hardproof: Program, service: Program): Promise<Row> {
  const comparison = { work, beside: "one, counted by the emulator", mark: { between: [1, 1] } } as const;
  try {
    const before = Number(await service.request("calls"));
    const { calls } = await turnOf(hardproof)(200);
    const requests = Number(await service.request("calls")) - before;
    return row(comparison, "×", [requests / calls], `${requests} requests for ${calls} proofs`);
  } catch (error) {
    if (!(error instanceof ProgramFailure)) throw error;
    return { ...comparison, unit: "×", outcome: "missed", details: error.message };
  }
}
