/** `npm run soak [PROOFS] [MINUTES]`: makes 1,000,000 proofs by default, but stops after 20 minutes. */
import { soak, soakThreads } from "./soak.js";

const [proofs = 1_000_000, minutes = 20] = process.argv.slice(2).map(Number);
const report = await soak({ proofs, minutes, log: console.log });
console.log(report);
const { sessions, handles, growth } = report;
const clean = sessions.max <= 4 && sessions.remaining === 0 && handles <= 0 && growth.heap < 4 && growth.native < 64;
if (!clean) process.exitCode = 1;
console.log(clean ? "No leak found." : "Leak found: see the figures above.");

const threads = await soakThreads(60_000);
console.log(threads);
const { initialized, longestBlock, triesPerWrongPin } = threads;
if (initialized !== 0 || longestBlock > 500 || triesPerWrongPin !== 1) process.exitCode = 1;
