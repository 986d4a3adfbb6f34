/** `dpopFetch` to a server on loopback, compared with plain `fetch` and one bare signature. */
import { startContender } from "../contender.js";
import { together } from "../program.js";
import { type Row, rateRow } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using server = startContender("server", []);
  const url = await server.firstLine;
  await using programs = await together({
    hardproof: startContender("fetch", ["hardproof", url], { title: "dpopFetch" }),
    plain: startContender("fetch", ["plain", url], { title: "fetch" }),
  });
  const { hardproof, plain } = programs;
  const seen = await takeTurns(
    {
      hardproof1: turnOf(hardproof, 1),
      hardproof32: turnOf(hardproof, 32),
      hardproof256: turnOf(hardproof, 256),
      plain1: turnOf(plain, 1),
      plain32: turnOf(plain, 32),
      plain256: turnOf(plain, 256),
    },
    scale({ rounds: 20, milliseconds: 200 }),
  );
  return ([1, 32, 256] as const).map((callers) =>
    rateRow(
      { work: `dpopFetch, ${callers}`, beside: "fetch + one bare signature", mark: { atLeast: 0.93 } },
      seen[`hardproof${callers}`],
      seen[`plain${callers}`],
    ),
  );
}
