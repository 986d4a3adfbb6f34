/** Whether a process that makes proofs all day grows: its memory after 10,000 proofs, and after 1,000,000. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Answer, row } from "./row.js";

const FEW = 10_000;
const MANY = 1_000_000;
const root = fileURLToPath(new URL("..", import.meta.url));

interface Memory {
  heap: number;
  resident: number;
}

export async function measure(): Promise<Answer[]> {
  const { few, many } = memoryOfOneProcess();
  const against = `after ${FEW.toLocaleString("en")}`;
  const what = (which: string) => `${which} after ${MANY.toLocaleString("en")} proofs`;
  const from = (which: keyof Memory) => `${many[which].toFixed(2)} against ${few[which].toFixed(2)}`;
  // One byte kept of each proof makes 1 MB. The pages of the process follow V8, which keeps and returns some as it likes.
  return [
    row({ what: what("heap"), against, mark: { atMost: 1 }, unit: "MB" }, [many.heap - few.heap], from("heap")),
    row(
      { what: what("memory of the process"), against, mark: { atMost: 8 }, unit: "MB" },
      [many.resident - few.resident],
      from("resident"),
    ),
  ];
}

function memoryOfOneProcess(): { few: Memory; many: Memory } {
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
