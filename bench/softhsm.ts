/** Proofs with a key in SoftHSM, compared with the C program and node-webcrypto-p11, and their event-loop delay. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { cSign, type KeyOnToken } from "./c-sign.js";
import { asyncCalls, interleave, median, ratios, sequentialRates, syncCalls } from "./measure.js";
import { fastest, keyOn, programTurns, proofTurns } from "./pkcs11.js";
import { startScript } from "./program.js";
import { bareVerify, type MakeProof, proofMaker } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

const ROUNDS = { rounds: 15, milliseconds: 120 };

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = keyOn(hsm);
  await using first = new Pkcs11Signer({ ...key, verify: "first" });
  await using always = new Pkcs11Signer(key);
  const byDefault = await proofMaker(always);
  return [
    ...(await compareWithC(key, await proofMaker(first), byDefault)),
    await compareWithWebcrypto(key, byDefault),
    await compareWithIdleLoop(byDefault),
  ];
}

async function compareWithC(key: KeyOnToken, first: MakeProof, always: MakeProof): Promise<Result[]> {
  using c = await programTurns("C", () => cSign(key));
  const verifying = { "verify 1": syncCalls(bareVerify) };
  const rates = await interleave(
    { ...c.turns, ...verifying, ...proofTurns("first", first), ...proofTurns("always", always) },
    ROUNDS,
  );
  const compare = (setting: string, values: number[], reference: string, references: number[], atLeast: number) =>
    row(
      { name: `proof with a SoftHSM key, ${setting}`, reference, target: { atLeast }, unit: "×" },
      ratios(values, references),
      `${perSecond(values)} vs. ${perSecond(references)}`,
    );
  const limit = fastest(rates, "C");
  const both = sequentialRates(limit, fastest(rates, "verify"));
  return [
    compare('verify: "first"', fastest(rates, "first"), "C program, best of 1, 2, 4 threads", limit, 0.75),
    compare('verify: "always"', fastest(rates, "always"), "C program, then a bare crypto.verify", both, 0.8),
  ];
}

async function compareWithWebcrypto(key: KeyOnToken, makeProof: MakeProof): Promise<Result> {
  const path = fileURLToPath(new URL("webcrypto-p11.ts", import.meta.url));
  const env = { ...key.env, HARDPROOF_PIN: key.pin };
  using webcrypto = await programTurns("webcrypto", () => startScript(path, [key.module, key.token, key.key], env));
  const rates = await interleave({ ...webcrypto.turns, ...proofTurns("hardproof", makeProof) }, ROUNDS);
  const crashed = Object.keys(webcrypto.turns).filter((name) => rates[name]?.includes(0));
  const sessions = crashed.map((name) => name.split(" ")[1]).join(", ") || "none";
  return row(
    {
      name: "proof with a SoftHSM key, default settings",
      reference: "node-webcrypto-p11, best concurrency that works",
      target: { atLeast: 2 },
      unit: "×",
    },
    ratios(fastest(rates, "hardproof"), fastest(rates, "webcrypto")),
    `${perSecond(fastest(rates, "hardproof"))} vs. ${perSecond(fastest(rates, "webcrypto"))} bare signatures; it crashes with this many sessions: ${sessions}`,
  );
}

async function compareWithIdleLoop(makeProof: MakeProof): Promise<Result> {
  const { idle, signing } = await interleave(
    {
      idle: (milliseconds) => delayDuring(() => setTimeout(milliseconds)),
      signing: (milliseconds) => delayDuring(() => asyncCalls(makeProof, 8)(milliseconds)),
    },
    { rounds: 12, milliseconds: 1000 },
  );
  return row(
    {
      name: "event-loop delay (p99) while SoftHSM signs at full rate",
      reference: "an idle loop",
      target: { atMost: 3 },
      unit: "ms",
    },
    signing.map((delay, round) => delay - (idle[round] ?? Number.NaN)),
    `${median(signing).toFixed(1)} ms vs. ${median(idle).toFixed(1)} ms`,
  );
}

/** Returns the 99th percentile of the interval between two ticks of a 1 ms timer, in milliseconds. */
async function delayDuring(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / 1e6;
}
