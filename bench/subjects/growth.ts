/** Memory growth of a process that makes many proofs: after 250,000 proofs and after 1,000,000. */
import { startContender } from "../contender.js";
import { type Row, row } from "../row.js";

/** By then, V8 has enlarged its young generation, by about 15 MB. */
const FEW = 250_000;
const MANY = 1_000_000;
/** Milliseconds for all proofs. */
const LIMIT = 300_000;

/** Returns the rows of this subject. A leak of one byte per proof adds 1 MB to the heap; V8's pages vary by a few MB. */
export async function measure(): Promise<Row[]> {
  await using program = startContender("growth", [], { title: "growth", limit: LIMIT });
  const grow = async (count: number) => (await program.request(`grow ${count}`)).split(" ").map(Number);
  const [few, many] = [await grow(FEW), await grow(MANY - FEW)];
  const compare = (memory: string, index: number, atMost: number) => {
    const [after, before] = [many[index] ?? Number.NaN, few[index] ?? Number.NaN];
    return row(
      {
        work: `${memory} after ${MANY.toLocaleString("en")} proofs`,
        beside: `after ${FEW.toLocaleString("en")}`,
        mark: { atMost },
      },
      "MB",
      [after - before],
      `${after.toFixed(1)} beside ${before.toFixed(1)}`,
    );
  };
  return [compare("heap", 0, 1), compare("resident memory", 1, 8)];
}
