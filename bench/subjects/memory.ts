/** Proofs with a key in memory, compared with `dpop`, `jose` and bare `crypto.sign`. */
import { startContender } from "../contender.js";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { type Scale, type Series, takeTurns, turnOf } from "../turns.js";

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  const start = (name: string) => startContender("memory", [name], { title: name });
  await using programs = await together({
    hardproof: start("hardproof"),
    dpop: start("dpop"),
    jose: start("jose"),
    sign: start("sign"),
  });
  const { hardproof, dpop, jose, sign } = programs;
  const seen = await takeTurns(
    {
      hardproof: turnOf(hardproof),
      hardproof8: turnOf(hardproof, 8),
      dpop: turnOf(dpop),
      dpop8: turnOf(dpop, 8),
      jose8: turnOf(jose, 8),
      sign: turnOf(sign),
    },
    scale({ rounds: 25, milliseconds: 80 }),
  );
  const compare = (callers: string, ours: Series, beside: string, other: Series, atLeast: number) =>
    rateRow({ work: `memory, ${callers}`, beside, mark: { atLeast } }, ours, other);
  return [
    compare("one at a time", seen.hardproof, "bare crypto.sign", seen.sign, 0.85),
    compare("8 at once", seen.hardproof8, "bare crypto.sign", seen.sign, 0.75),
    compare("one at a time", seen.hardproof, "dpop 2", seen.dpop, 3),
    compare("8 at once", seen.hardproof8, "dpop 2", seen.dpop8, 1.3),
    compare("8 at once", seen.hardproof8, "jose's SignJWT", seen.jose8, 1.05),
  ];
}
