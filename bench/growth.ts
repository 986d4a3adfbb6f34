/** Memory growth of a process that makes many proofs: after 10,000 proofs and after 1,000,000. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Result, row } from "./row.js";

const FEW = 10_000;
const MANY = 1_000_000;
const root = fileURLToPath(new URL("..", import.meta.url));

/** Megabytes. */
interface Memory {
  heap: number;
  resident: number;
}

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const { few, many } = memoryOfChild();
  const reference = `after ${FEW.toLocaleString("en")}`;
  const name = (memory: string) => `${memory} after ${MANY.toLocaleString("en")} proofs`;
  const details = (memory: keyof Memory) => `${many[memory].toFixed(2)} vs. ${few[memory].toFixed(2)}`;
  // A leak of one byte per proof adds 1 MB to the heap. The resident memory also varies with V8's own page management.
  return [
    row({ name: name("heap"), reference, target: { atMost: 1 }, unit: "MB" }, [many.heap - few.heap], details("heap")),
    row(
      { name: name("resident memory"), reference, target: { atMost: 8 }, unit: "MB" },
      [many.resident - few.resident],
      details("resident"),
    ),
  ];
}

function memoryOfChild(): { few: Memory; many: Memory } {
  const script = `
    import { setTimeout } from "node:timers/promises";
    import { DPoPProver } from "hardproof";
    const prover = await DPoPProver.generate();
    const request = { htm: "GET", htu: "https://api.example.com/resource", accessToken: "Kz~8mXK1EalYznwH" };
    let made = 0;
    async function memoryAfter(proofs) {
      for (; made < proofs; made++) await prover.makeProof(request);
      for (let i = 0; i < 3; i++) { gc(); await setTimeout(50); }
      const { heapUsed, rss } = process.memoryUsage();
      return { heap: heapUsed / 2 ** 20, resident: rss / 2 ** 20 };
    }
    console.log(JSON.stringify({ few: await memoryAfter(${FEW}), many: await memoryAfter(${MANY}) }));`;
  const args = ["--expose-gc", "--input-type=module", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }));
}
