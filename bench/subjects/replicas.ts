/** Proofs by a `replicaSigner` over two SoftHSM tokens: compared with one token, and while the first token hangs. */
import { replicatedTokens, SHARED_KEY } from "../../test/shim/replicated-tokens.js";
import { faultyPkcs11 } from "../../testing/pkcs11/faulty-pkcs11.js";
import { startContender } from "../contender.js";
import { median } from "../median.js";
import { type Program, ProgramFailure, together } from "../program.js";
import { type Row, rateRow, row } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";

const HEDGE_AFTER = 50; // milliseconds
const CALLERS = 4;

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  const { hsm } = await replicatedTokens();
  const shim = faultyPkcs11(hsm.module);
  const direct = (token: string) => JSON.stringify({ module: hsm.module, token, key: SHARED_KEY });
  // In a process of its own, since a library that hangs would also stop the other token's calls into it.
  const isolated = JSON.stringify({ module: shim.module, token: "site-a", key: SHARED_KEY, isolate: true });
  const start = (title: string, ...args: string[]) =>
    startContender("replicas", args, { title, env: { HARDPROOF_PIN: hsm.pin } });
  try {
    await using programs = await together({
      alone: start("one token", "{}", direct("site-b")),
      pair: start("replicaSigner", direct("site-b"), isolated, "never"),
      hedged: start("replicaSigner with a hedge", isolated, direct("site-b"), String(HEDGE_AFTER)),
    });
    const seen = await takeTurns(
      { pair: turnOf(programs.pair, CALLERS), alone: turnOf(programs.alone, CALLERS) },
      scale({ rounds: 15, milliseconds: 120 }),
    );
    const comparison = { work: "a replicaSigner of two tokens", beside: "one token's signer", mark: { atLeast: 0.9 } };
    const hang = (hangs: boolean) => shim.order(...(hangs ? [{ on: "C_SignInit", act: "hang" } as const] : []));
    return [rateRow(comparison, seen.pair, seen.alone), await slowestWhileHanging(programs.hedged, hang)];
  } finally {
    shim.order();
    shim.close();
    await hsm.close();
  }
}

async function slowestWhileHanging(program: Program, hang: (hangs: boolean) => void): Promise<Row> {
  const comparison = {
    work: `p99 of a proof while the first token hangs, hedged after ${HEDGE_AFTER} ms`,
    beside: "both tokens work",
    mark: { atMost: 200 },
  };
  const [up, hanging]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < 6; round++) {
      up.push(Number(await program.request(`p99 ${CALLERS} 1000`)));
      hang(true);
      hanging.push(Number(await program.request(`p99 ${CALLERS} 1000`)));
      hang(false);
    }
    return row(comparison, "ms", hanging, `${median(hanging).toFixed(1)} ms beside ${median(up).toFixed(1)} ms`);
  } catch (error) {
    if (!(error instanceof ProgramFailure)) throw error;
    return { ...comparison, unit: "ms", outcome: "missed", details: error.message };
  }
}
