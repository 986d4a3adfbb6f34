/** Proofs with a token behind a socket, which `p11-kit server` serves, compared with a C program over the same socket. */
import { softHsm } from "hardproof/softhsm";
import { p11KitServer } from "../../test/tokens/index.js";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";
import { cSign } from "./c-sign.js";
import { keyOn, proofsOn } from "./pkcs11.js";

/** Returns the row of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using hsm = await softHsm({ label: "bench" });
  await using kit = await p11KitServer(hsm);
  const key = { ...keyOn(hsm), module: kit.module, env: kit.env };
  await using programs = await together({ hardproof: proofsOn(key), c: cSign(key) });
  const seen = await takeTurns(
    { hardproof: turnOf(programs.hardproof, 8), c: turnOf(programs.c, 4) },
    scale({ rounds: 15, milliseconds: 120 }),
  );
  const comparison = {
    work: "a token behind a socket (p11-kit server), 8",
    beside: "a C program with 4 threads over the same socket",
    mark: { atLeast: 0.8 },
  };
  return [rateRow(comparison, seen.hardproof, seen.c)];
}
