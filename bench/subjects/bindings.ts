/** The two packages by which Hardproof calls a PKCS#11 library. */
import { softHsm } from "hardproof/softhsm";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";
import { keyOn, proofsOn } from "./pkcs11.js";

/** Returns the row of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = keyOn(hsm);
  await using programs = await together({
    koffi: proofsOn(key, { binding: "koffi" }),
    graphene: proofsOn(key, { binding: "graphene-pk11" }),
  });
  const seen = await takeTurns(
    { koffi: turnOf(programs.koffi, 8), graphene: turnOf(programs.graphene, 8) },
    scale({ rounds: 15, milliseconds: 120 }),
  );
  const comparison = {
    work: "SoftHSM by koffi, 8",
    beside: "by graphene-pk11",
    mark: { between: [0.9, 1.1] },
  } as const;
  return [rateRow(comparison, seen.koffi, seen.graphene)];
}
