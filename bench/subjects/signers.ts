/** 100 signers on one token, compared with one. */
import { softHsm } from "hardproof/softhsm";
import { type Program, ProgramFailure, together } from "../program.js";
import { figuresOf, notMeasured, type Row, row } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";
import { keyOn, proofsOn } from "./pkcs11.js";

const work = "100 signers on one token";
const MEMORY = { work: `${work}: memory`, beside: "one signer", mark: { atMost: 1.5 } };
const COST = { work: `${work}: CPU time of a proof`, beside: "one signer", mark: { atMost: 1.1 } };

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  await using hsm = await softHsm({ label: "bench" });
  const key = keyOn(hsm);
  await using programs = await together({ one: proofsOn(key), many: proofsOn(key, {}, 100) });
  const { one, many } = await takeTurns(
    { one: turnOf(programs.one, 8), many: turnOf(programs.many, 8) },
    scale({ rounds: 15, milliseconds: 120 }),
  );
  const failure = many.failure ?? one.failure;
  if (failure !== undefined) return [notMeasured(MEMORY, "×", failure), notMeasured(COST, "×", failure)];
  const [oneSize, manySize] = [await memoryOf(programs.one), await memoryOf(programs.many)];
  const costs = many.turns.map(({ cpu }, round) => cpu / (one.turns[round]?.cpu ?? Number.NaN));
  return [
    row(MEMORY, "×", [manySize / oneSize], `${manySize.toFixed(1)} MB beside ${oneSize.toFixed(1)} MB`),
    row(COST, "×", costs, `${figuresOf(many)} beside ${figuresOf(one)}`),
  ];
}

async function memoryOf(program: Program): Promise<number> {
  const answer = await program.request("memory");
  const megabytes = Number(answer);
  if (!(megabytes > 0)) throw new ProgramFailure(`${program.title} answered "${answer}"`);
  return megabytes;
}
