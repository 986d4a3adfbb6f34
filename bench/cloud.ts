/** Proofs with a key in a cloud KMS, by its official client, beside the bare client; against an emulator on loopback. */
import { fileURLToPath } from "node:url";
import type { Signer } from "hardproof";
import { awaited, extraTime, quotients, sideBySide, type Turn } from "./measure.js";
import { type Program, startScript } from "./program.js";
import { proofs } from "./request.js";
import { type Answer, perSecond, row } from "./row.js";

export interface Cloud {
  name: string;
  signer: Signer;
  /** One call of the bare client. */
  bareSign(): Promise<unknown>;
  emulator: Program;
}

const LATENCY = 20;
const AT_ONCE = 200;

/** The emulator, in a process of its own: see emulator.ts. */
export function startEmulator(name: "aws" | "gcp"): Promise<Program> {
  return startScript(fileURLToPath(new URL("emulator.ts", import.meta.url)), [name]);
}

export async function measureCloud({ name, signer, bareSign, emulator }: Cloud): Promise<Answer[]> {
  const proof = await proofs(signer);
  const what = `proof with a key in ${name}`;
  await emulator.ask("latency 0");
  const near = await sideBySide({ ours: awaited(proof), bare: awaited(bareSign) }, { rounds: 30, milliseconds: 200 });
  const calls = await callsPerProof(proof, emulator);
  await emulator.ask(`latency ${LATENCY}`);
  const most: Turn = async () => (AT_ONCE * 1000) / LATENCY;
  const far = await sideBySide(
    { ours: awaited(proof, AT_ONCE), bare: awaited(bareSign, AT_ONCE), most },
    { rounds: 8, milliseconds: 600 },
  );
  return [
    row(
      { what: `${what}, no latency`, against: "the bare client's call", mark: { atMost: 5 }, unit: "%" },
      extraTime(near.ours, near.bare),
      `${perSecond(near.ours)} against ${perSecond(near.bare)}`,
    ),
    row(
      {
        what: `${what}, ${LATENCY} ms, ${AT_ONCE} at once`,
        against: `${AT_ONCE} / ${LATENCY} ms`,
        mark: { atLeast: 0.8 },
        unit: "×",
      },
      quotients(far.ours, far.most),
      `${perSecond(far.ours)} against ${perSecond(far.most)}; the bare client makes ${perSecond(far.bare)}`,
    ),
    row(
      { what: `calls for each ${what}`, against: "1", mark: { exactly: 1 }, unit: "calls" },
      calls,
      "as the emulator counts",
    ),
  ];
}

async function callsPerProof(proof: () => Promise<unknown>, emulator: Program): Promise<number[]> {
  const calls: number[] = [];
  for (let made = 0; made < 100; made++) {
    const before = Number(await emulator.ask("calls"));
    await proof();
    calls.push(Number(await emulator.ask("calls")) - before);
  }
  return calls;
}
