/** Proofs with a key in SoftHSM, beside the C program and node-webcrypto-p11; and what they do to the event loop. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../softhsm/index.js";
import { cSign, type KeyOnToken } from "./c-sign.js";
import { awaited, blocking, median, oneAfterTheOther, quotients, sideBySide } from "./measure.js";
import { fastest, keyOn, programTurns, proofTurns } from "./pkcs11.js";
import { startScript } from "./program.js";
import { bareVerify, type Proof, proofs } from "./request.js";
import { type Answer, perSecond, row } from "./row.js";

const ROUNDS = { rounds: 15, milliseconds: 120 };

export async function measure(): Promise<Answer[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = keyOn(hsm);
  await using first = new Pkcs11Signer({ ...key, verify: "first" });
  await using always = new Pkcs11Signer(key);
  const byDefault = await proofs(always);
  return [
    ...(await besideC(key, await proofs(first), byDefault)),
    await besideWebcrypto(key, byDefault),
    await besideIdleLoop(byDefault),
  ];
}

async function besideC(key: KeyOnToken, first: Proof, always: Proof): Promise<Answer[]> {
  using c = await programTurns("C", () => cSign(key));
  const verifying = { "verify 1": blocking(bareVerify) };
  const rates = await sideBySide(
    { ...c.turns, ...verifying, ...proofTurns("first", first), ...proofTurns("always", always) },
    ROUNDS,
  );
  const beside = (how: string, ours: number[], against: string, theirs: number[], atLeast: number) =>
    row(
      { what: `proof with a SoftHSM key, ${how}`, against, mark: { atLeast }, unit: "×" },
      quotients(ours, theirs),
      `${perSecond(ours)} against ${perSecond(theirs)}`,
    );
  const limit = fastest(rates, "C");
  const both = oneAfterTheOther(limit, fastest(rates, "verify"));
  return [
    beside('verify: "first"', fastest(rates, "first"), "C program, best of 1, 2, 4 threads", limit, 0.75),
    beside('verify: "always"', fastest(rates, "always"), "C program's time and a bare crypto.verify", both, 0.8),
  ];
}

async function besideWebcrypto(key: KeyOnToken, ours: Proof): Promise<Answer> {
  const path = fileURLToPath(new URL("webcrypto-p11.ts", import.meta.url));
  const env = { ...key.env, HARDPROOF_PIN: key.pin };
  using theirs = await programTurns("theirs", () => startScript(path, [key.module, key.token, key.key], env));
  const rates = await sideBySide({ ...theirs.turns, ...proofTurns("ours", ours) }, ROUNDS);
  const crashed = Object.keys(theirs.turns).filter((name) => rates[name]?.includes(0));
  return row(
    {
      what: "proof with a SoftHSM key, default settings",
      against: "node-webcrypto-p11, best concurrency that works",
      mark: { atLeast: 2 },
      unit: "×",
    },
    quotients(fastest(rates, "ours"), fastest(rates, "theirs")),
    `${perSecond(fastest(rates, "ours"))} against ${perSecond(fastest(rates, "theirs"))} bare signatures; sessions on which they crash: ${crashed.map((name) => name.split(" ")[1]).join(", ") || "none"}`,
  );
}

async function besideIdleLoop(proof: Proof): Promise<Answer> {
  const { idle, signing } = await sideBySide(
    {
      idle: (milliseconds) => delayDuring(() => setTimeout(milliseconds)),
      signing: (milliseconds) => delayDuring(() => awaited(proof, 8)(milliseconds)),
    },
    { rounds: 12, milliseconds: 1000 },
  );
  return row(
    {
      what: "event-loop delay (p99) while SoftHSM signs at full rate",
      against: "an idle loop",
      mark: { atMost: 3 },
      unit: "ms",
    },
    signing.map((delay, round) => delay - (idle[round] ?? Number.NaN)),
    `${median(signing).toFixed(1)} ms against ${median(idle).toFixed(1)} ms`,
  );
}

/** @returns 99th percentile of the time between two ticks of a timer of 1 ms, in milliseconds */
async function delayDuring(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / 1e6;
}
