/** Proofs with a key in SoftHSM, compared with the C program and node-webcrypto-p11. */
import { softHsm } from "hardproof/softhsm";
import { startContender } from "../contender.js";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { fastest, inSequence, type Scale, takeTurns, turnOf } from "../turns.js";
import { cSign } from "./c-sign.js";
import { keyOn, proofsOn } from "./pkcs11.js";

const CALLERS = 8;

/** Returns the rows of this subject. Each number of threads has a process of its own: a crash doesn't affect the others. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = keyOn(hsm);
  const webcrypto = (callers: number) =>
    startContender("webcrypto-p11", [key.module, key.token, key.key], {
      title: `node-webcrypto-p11 with ${callers} sessions`,
      env: { ...key.env, HARDPROOF_PIN: key.pin },
    });
  await using programs = await together({
    c1: cSign(key),
    c2: cSign(key),
    c4: cSign(key),
    verify: startContender("memory", ["verify"]),
    first: proofsOn(key, { verify: "first" }),
    always: proofsOn(key),
    webcrypto1: webcrypto(1),
    webcrypto2: webcrypto(2),
    webcrypto4: webcrypto(4),
  });
  const seen = await takeTurns(
    {
      c1: turnOf(programs.c1, 1),
      c2: turnOf(programs.c2, 2),
      c4: turnOf(programs.c4, 4),
      verify: turnOf(programs.verify),
      first: turnOf(programs.first, CALLERS),
      always: turnOf(programs.always, CALLERS),
      webcrypto1: turnOf(programs.webcrypto1, 1),
      webcrypto2: turnOf(programs.webcrypto2, 2),
      webcrypto4: turnOf(programs.webcrypto4, 4),
    },
    scale({ rounds: 15, milliseconds: 120 }),
  );
  const c = fastest(seen.c1, seen.c2, seen.c4);
  const webcryptos = [seen.webcrypto1, seen.webcrypto2, seen.webcrypto4] as const;
  const compared = rateRow(
    {
      work: `SoftHSM default, ${CALLERS}`,
      beside: "node-webcrypto-p11 with locking, best of 1, 2, 4 sessions",
      mark: { atLeast: 1.7 },
    },
    seen.always,
    fastest(...webcryptos),
  );
  const failures = webcryptos.map(({ failure }) => failure).filter((failure) => failure !== undefined);
  return [
    rateRow(
      { work: `SoftHSM always, ${CALLERS}`, beside: "C's time + bare verify", mark: { atLeast: 1 } },
      seen.always,
      inSequence(c, seen.verify),
    ),
    rateRow({ work: `SoftHSM first, ${CALLERS}`, beside: "C, best of threads", mark: { atLeast: 0.6 } }, seen.first, c),
    { ...compared, details: [compared.details, ...failures].join("; ") },
  ];
}
