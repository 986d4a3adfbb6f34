/** Proofs by a `replicaSigner` over two SoftHSM tokens: compared with one token, and while the first token hangs. */
import { replicaSigner } from "hardproof";
import { replicatedTokens } from "../test/shim/replicated-tokens.js";
import { faultyPkcs11 } from "../testing/pkcs11/faulty-pkcs11.js";
import { asyncCalls, interleave, median, percentile, ratios, type Turn } from "./measure.js";
import { type MakeProof, proofMaker } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

const HEDGE_AFTER = 50; // milliseconds
const CALLERS = 4;

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const { hsm, a, b } = await replicatedTokens();
  const shim = faultyPkcs11(hsm.module);
  // In a process of its own, since a library that hangs would also stop the other token's calls into it.
  const inProcess = () => a.newSigner({ module: shim.module, isolate: true });
  await using alone = b.newSigner();
  await using pair = replicaSigner([b.newSigner(), inProcess()]);
  await using hedged = replicaSigner([inProcess(), b.newSigner()], { hedgeAfter: HEDGE_AFTER });
  try {
    return [
      await compareWithOneToken(await proofMaker(pair), await proofMaker(alone)),
      await compareWhileHanging(await proofMaker(hedged), (hangs) =>
        shim.order(...(hangs ? [{ on: "C_SignInit", act: "hang" } as const] : [])),
      ),
    ];
  } finally {
    shim.order();
    await Promise.all([alone.close(), pair.close(), hedged.close()]);
    shim.close();
    await hsm.close();
  }
}

async function compareWithOneToken(pair: MakeProof, alone: MakeProof): Promise<Result> {
  const turns = { pair: asyncCalls(pair, CALLERS), alone: asyncCalls(alone, CALLERS) };
  const rates = await interleave(turns, { rounds: 15, milliseconds: 120 });
  return row(
    {
      name: "proof by a replicaSigner of two tokens",
      reference: "by one token's signer",
      target: { atLeast: 0.9 },
      unit: "×",
    },
    ratios(rates.pair, rates.alone),
    `${perSecond(rates.pair)} vs. ${perSecond(rates.alone)}`,
  );
}

async function compareWhileHanging(makeProof: MakeProof, hang: (hangs: boolean) => void): Promise<Result> {
  const latencies = slowestOf(makeProof);
  const { up, hanging } = await interleave(
    {
      up: latencies,
      hanging: async (milliseconds) => {
        hang(true);
        const latency = await latencies(milliseconds);
        hang(false);
        return latency;
      },
    },
    { rounds: 6, milliseconds: 1_500 },
  );
  return row(
    {
      name: `p99 of a proof while the first token hangs, hedged after ${HEDGE_AFTER} ms`,
      reference: "both tokens work",
      target: { atMost: 200 },
      unit: "ms",
    },
    hanging,
    `${median(hanging).toFixed(1)} ms vs. ${median(up).toFixed(1)} ms`,
  );
}

/** Returns a turn that measures the 99th percentile of the time (ms) that one proof takes, instead of a rate. */
function slowestOf(makeProof: MakeProof): Turn {
  return async (milliseconds) => {
    const times: number[] = [];
    const timed = async () => {
      const start = performance.now();
      await makeProof();
      times.push(performance.now() - start);
    };
    await asyncCalls(timed, CALLERS)(milliseconds);
    return percentile(times, 99);
  };
}
