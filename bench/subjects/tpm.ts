/** Proofs with a key in a TPM, compared with the C program. A TPM is slow, so Hardproof should add nothing measurable. */
import { softTpm } from "../../test/tokens/index.js";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { fastest, type Scale, takeTurns, turnOf } from "../turns.js";
import { cSign } from "./c-sign.js";
import { keyOn, proofsOn } from "./pkcs11.js";

/** Returns the row of this subject. Numbers of threads at which the C program fails don't count. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using tpm = await softTpm({ label: "bench" });
  const key = keyOn(tpm);
  await using programs = await together({ c1: cSign(key), c2: cSign(key), c4: cSign(key), hardproof: proofsOn(key) });
  const seen = await takeTurns(
    {
      c1: turnOf(programs.c1, 1),
      c2: turnOf(programs.c2, 2),
      c4: turnOf(programs.c4, 4),
      hardproof1: turnOf(programs.hardproof, 1),
      hardproof4: turnOf(programs.hardproof, 4),
    },
    scale({ rounds: 9, milliseconds: 600 }),
  );
  return [
    rateRow(
      { work: "a TPM's key, best of 1 and 4", beside: "C on the same TPM", mark: { atLeast: 0.95 } },
      fastest(seen.hardproof1, seen.hardproof4),
      fastest(seen.c1, seen.c2, seen.c4),
    ),
  ];
}
