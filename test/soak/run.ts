/** `npm run soak [PROOFS] [MINUTES]`: 1,000,000 proofs, or as many as 20 minutes are enough for. */
import { soak } from "./soak.js";

const [proofs = 1_000_000, minutes = 20] = process.argv.slice(2).map(Number);
const report = await soak({ proofs, minutes, log: console.log });
console.log(report);
const { sessions, handles, growth } = report;
const clean = sessions.most <= 4 && sessions.left === 0 && handles <= 0 && growth.heap < 4 && growth.resident < 64;
if (!clean) process.exitCode = 1;
console.log(clean ? "Nothing was left behind." : "Something was left behind.");
