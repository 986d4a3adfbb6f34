/** Proofs with a key in memory. "grow COUNT" makes them, and answers "HEAP RESIDENT" in megabytes after a garbage collection. */
import { setTimeout } from "node:timers/promises";
import { MemorySigner } from "hardproof/memory";
import { answer } from "./answer.js";
import { proofMaker } from "./request.js";

const makeProof = await proofMaker(MemorySigner.generate());
await answer("ready", {
  grow: async (count) => {
    for (let made = 0; made < Number(count); made++) await makeProof();
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.();
      await setTimeout(50);
    }
    const { heapUsed, rss } = process.memoryUsage();
    return `${heapUsed / 2 ** 20} ${rss / 2 ** 20}`;
  },
});
