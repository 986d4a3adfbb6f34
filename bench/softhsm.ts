/** Proofs with a key in SoftHSM, beside the C program and node-webcrypto-p11; and what they do to the event loop. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../softhsm/index.js";
import { cSign, type KeyOnToken } from "./c-sign.js";
import { awaited, best, blocking, median, oneAfterTheOther, quotients, sideBySide, type Turn } from "./measure.js";
import { accessToken, htu, nonce } from "./memory.js";
import { signingProgram } from "./program.js";
import { type Answer, perSecond, row } from "./row.js";

type Proof = () => Promise<string>;

export async function measure(): Promise<Answer[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = { module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, env: hsm.env };
  await using first = new Pkcs11Signer({ ...key, verify: "first" });
  await using always = new Pkcs11Signer(key);
  const byDefault = await proofs(always);
  return [
    ...(await besideC(key, await proofs(first), byDefault)),
    await besideWebcrypto(key, byDefault),
    await besideIdleLoop(byDefault),
  ];
}

async function proofs(signer: Pkcs11Signer): Promise<Proof> {
  const prover = await DPoPProver.create(signer);
  return () => prover.makeProof({ htm: "GET", htu, accessToken, nonce });
}

const CONCURRENCY = [4, 8, 16] as const;

async function besideC(key: KeyOnToken, first: Proof, always: Proof): Promise<Answer[]> {
  const c = await cSign(key);
  const rates = await sideBySide(
    {
      first4: awaited(first, 4),
      first8: awaited(first, 8),
      first16: awaited(first, 16),
      always4: awaited(always, 4),
      always8: awaited(always, 8),
      always16: awaited(always, 16),
      c1: c.turn(1),
      c2: c.turn(2),
      c4: c.turn(4),
      verify: blocking(bareVerification()),
    },
    { rounds: 15, milliseconds: 120 },
  );
  c.stop();
  const limit = best(rates.c1, rates.c2, rates.c4);
  const both = oneAfterTheOther(limit, rates.verify);
  const firsts = best(rates.first4, rates.first8, rates.first16);
  const all = best(rates.always4, rates.always8, rates.always16);
  const beside = (how: string, ours: number[], against: string, theirs: number[], atLeast: number) =>
    row(
      { what: `proof with a SoftHSM key, ${how}`, against, mark: { atLeast }, unit: "×" },
      quotients(ours, theirs),
      `${perSecond(ours)} against ${perSecond(theirs)}`,
    );
  return [
    beside('verify: "first"', firsts, "C program, best of 1, 2, 4 threads", limit, 0.75),
    beside('verify: "always"', all, "C program's time and a bare crypto.verify", both, 0.8),
  ];
}

/** @returns verifies one signature over as many bytes as a proof has */
function bareVerification(): () => boolean {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const message = Buffer.alloc(430, "a");
  const signature = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
  return () => verify("sha256", message, key, signature);
}

async function besideWebcrypto(key: KeyOnToken, ours: Proof): Promise<Answer> {
  const question = {
    what: "proof with a SoftHSM key, default settings",
    against: "node-webcrypto-p11, best concurrency that works",
    mark: { atLeast: 2 },
    unit: "×",
  } as const;
  const peers = await workingWebcrypto(key);
  if (peers.length === 0) return { ...question, notMeasured: "node-webcrypto-p11 signs on no number of sessions." };
  const theirs = Object.fromEntries(peers.map(({ sessions, turn }) => [`theirs${sessions}`, turn]));
  const mine = Object.fromEntries(CONCURRENCY.map((atOnce) => [`ours${atOnce}`, awaited(ours, atOnce)]));
  const rates = await sideBySide({ ...theirs, ...mine }, { rounds: 15, milliseconds: 120 });
  for (const { stop } of peers) stop();
  const bestOf = (whose: string) =>
    best(...Object.keys(rates).flatMap((name) => (name.startsWith(whose) ? [rates[name] ?? []] : [])));
  const works = peers.map(({ sessions }) => sessions).join(", ");
  return row(
    question,
    quotients(bestOf("ours"), bestOf("theirs")),
    `${perSecond(bestOf("ours"))} against ${perSecond(bestOf("theirs"))} bare signatures; it works on ${works} of 1, 2, 4 sessions`,
  );
}

/** Those numbers of sessions on which it does not crash for three seconds. */
async function workingWebcrypto({ module, token, key, pin, env }: KeyOnToken) {
  const path = fileURLToPath(new URL("webcrypto-p11.ts", import.meta.url));
  const working: { sessions: number; turn: Turn; stop: () => void }[] = [];
  for (const sessions of [1, 2, 4]) {
    const args = ["--import", "tsx", path, module, token, key];
    const program = await signingProgram(process.execPath, args, { ...env, HARDPROOF_PIN: pin });
    try {
      await program.turn(sessions)(3000);
      working.push({ sessions, turn: program.turn(sessions), stop: program.stop });
    } catch {
      program.stop();
    }
  }
  return working;
}

const LOOP_ROUNDS = 12;
const LOOP_TURN = 1000;

async function besideIdleLoop(proof: Proof): Promise<Answer> {
  const { idle, signing } = await sideBySide(
    {
      idle: (milliseconds) => delayDuring(() => setTimeout(milliseconds)),
      signing: (milliseconds) => delayDuring(() => awaited(proof, 8)(milliseconds)),
    },
    { rounds: LOOP_ROUNDS, milliseconds: LOOP_TURN },
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
