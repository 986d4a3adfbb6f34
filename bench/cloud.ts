/** Proofs with a key in a cloud KMS, compared with the official client on its own, against an emulator on loopback. */
import { fileURLToPath } from "node:url";
import type { Signer } from "hardproof";
import { asyncCalls, extraTime, interleave, ratios, type Turn } from "./measure.js";
import { type Program, startScript } from "./program.js";
import { proofMaker } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

/** A signer, and the client that it uses. */
export interface Cloud {
  name: string;
  signer: Signer;
  /** One sign request of the official client. */
  bareSign(): Promise<unknown>;
  emulator: Program;
}

/** Milliseconds. */
const LATENCY = 20;
const CONCURRENCY = 200;

/** Starts emulator.ts as a child process, with a key that signs ES256 or with what the cloud's own name for it says. */
export function startEmulator(name: "aws" | "gcp", ...algorithm: string[]): Promise<Program> {
  return startScript(fileURLToPath(new URL("emulator.ts", import.meta.url)), [name, ...algorithm]);
}

/** Measures proofs without latency, with latency, and the number of requests per proof. */
export async function measureCloud({ name, signer, bareSign, emulator }: Cloud): Promise<Result[]> {
  const makeProof = await proofMaker(signer);
  const subject = `proof with a key in ${name}`;
  await emulator.request("latency 0");
  const withoutLatency = await interleave(
    { hardproof: asyncCalls(makeProof), bare: asyncCalls(bareSign) },
    { rounds: 30, milliseconds: 200 },
  );
  const calls = await callsPerProof(makeProof, emulator);
  await emulator.request(`latency ${LATENCY}`);
  const limit: Turn = async () => (CONCURRENCY * 1000) / LATENCY;
  const withLatency = await interleave(
    { hardproof: asyncCalls(makeProof, CONCURRENCY), bare: asyncCalls(bareSign, CONCURRENCY), limit },
    { rounds: 8, milliseconds: 600 },
  );
  return [
    row(
      { name: `${subject}, no latency`, reference: "the client's request", target: { atMost: 5 }, unit: "%" },
      extraTime(withoutLatency.hardproof, withoutLatency.bare),
      `${perSecond(withoutLatency.hardproof)} vs. ${perSecond(withoutLatency.bare)}`,
    ),
    row(
      {
        name: `${subject}, ${LATENCY} ms, ${CONCURRENCY} concurrent`,
        reference: `${CONCURRENCY} / ${LATENCY} ms`,
        target: { atLeast: 0.8 },
        unit: "×",
      },
      ratios(withLatency.hardproof, withLatency.limit),
      `${perSecond(withLatency.hardproof)} vs. ${perSecond(withLatency.limit)}; the client on its own: ${perSecond(withLatency.bare)}`,
    ),
    row(
      { name: `requests per ${subject}`, reference: "1", target: { exactly: 1 }, unit: "calls" },
      calls,
      "counted by the emulator",
    ),
  ];
}

async function callsPerProof(makeProof: () => Promise<unknown>, emulator: Program): Promise<number[]> {
  const calls: number[] = [];
  for (let made = 0; made < 100; made++) {
    const before = Number(await emulator.request("calls"));
    await makeProof();
    calls.push(Number(await emulator.request("calls")) - before);
  }
  return calls;
}
