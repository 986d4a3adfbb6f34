/** `npm run soak:fleet [SECONDS] [STORE]`: fleets of 8 processes, of which two are killed, over each store. */
import { delaysOf, fleets, problemsOf } from "./fleets.js";

const [seconds = "60", only] = process.argv.slice(2);
for (const [name, run] of Object.entries(fleets).filter(([name]) => only === undefined || name === only)) {
  const size = { processes: 8, seconds: Number(seconds), mortals: 2 };
  const report = await run(size);
  const problems = [...problemsOf(report), ...delaysOf(report, size)];
  console.log(name, report, problems.length === 0 ? "No problem found." : problems);
  if (problems.length > 0) process.exitCode = 1;
}
