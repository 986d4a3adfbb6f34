/** One run on one Node, started by main.ts. A subject that fails is a row, and the others go on. */
import { machine, othersRunning } from "./machine.js";
import { parseOptions } from "./options.js";
import { heading, lines } from "./report.js";
import { type Run, record, type SubjectRun } from "./results.js";
import { type Row, summary } from "./row.js";
import { SUBJECTS } from "./subjects.js";
import type { Scale } from "./turns.js";

const QUICK = { rounds: 5, milliseconds: 80 };
const options = parseOptions(process.argv.slice(2));
const { quick } = options;

// The programs of a run end with it: see program.ts.
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

const subjects: SubjectRun[] = [];
const rows: Row[] = [];
const here = machine();
for (const subject of options.subjects) {
  const others = await othersRunning();
  const start = performance.now();
  const measured = await measure(subject);
  subjects.push({ subject, seconds: Math.round((performance.now() - start) / 100) / 10, others });
  console.log(`\n${subject}`);
  for (const row of measured) console.log(lines(row));
  rows.push(...measured);
}
const run: Run = { machine: here, quick, seconds: Math.round(performance.now() / 1000), subjects, rows };
console.log(`\n${subjects.map(({ subject, seconds }) => `${subject} ${seconds} s`).join(", ")}`);
console.log(`${heading(run)}\n${summary(rows)}`);
if (options.record) record(run);
process.exit();

/** A missed mark is a result, and not an error. */
async function measure(subject: string): Promise<Row[]> {
  try {
    return (await (await SUBJECTS[subject]?.())?.measure(scale)) ?? [];
  } catch (error) {
    const details = error instanceof Error ? error.message : String(error);
    return [{ work: subject, beside: "", mark: { between: [0, 0] }, unit: "×", outcome: "not measured", details }];
  }
}

function scale(full: Parameters<Scale>[0]): ReturnType<Scale> {
  if (!quick) return full;
  return {
    rounds: Math.min(full.rounds, QUICK.rounds),
    milliseconds: Math.min(full.milliseconds, QUICK.milliseconds),
  };
}
