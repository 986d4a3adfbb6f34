/** `npm run bench`, or `npm run bench -- memory softhsm` for some subjects alone: measures the built package, and reports. */
import { machine } from "./machine.js";
import { print, write } from "./report.js";
import type { Answer } from "./row.js";

type Subject = () => Promise<Answer[]>;

const subjects: Record<string, () => Promise<{ measure: Subject }>> = {
  memory: () => import("./memory.js"),
  softhsm: () => import("./softhsm.js"),
  import: () => import("./import.js"),
  growth: () => import("./growth.js"),
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(subjects);
const unknown = chosen.find((name) => !(name in subjects));
if (unknown !== undefined) throw new Error(`No subject ${unknown}. There are: ${Object.keys(subjects).join(", ")}.`);

const before = machine();
const answers: Answer[] = [];
for (const name of chosen) {
  const measured = await (await subjects[name]?.())?.measure();
  print(name, measured ?? []);
  answers.push(...(measured ?? []));
}
write(process.argv.length > 2 ? chosen.join("-") : "all", before, answers);
