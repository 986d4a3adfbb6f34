/** `npm run bench`, or `npm run bench -- memory softhsm` for some subjects alone: measures the built package. */
import { machine } from "./machine.js";
import { print, write } from "./report.js";
import type { Answer } from "./row.js";

/** Each can be measured without the others. */
const subjects: Record<string, () => Promise<{ measure(): Promise<Answer[]> }>> = {
  memory: () => import("./memory.js"),
  softhsm: () => import("./softhsm.js"),
  tpm: () => import("./tpm.js"),
  "aws-kms": () => import("./aws-kms.js"),
  "gcp-kms": () => import("./gcp-kms.js"),
  fetch: () => import("./fetch.js"),
  import: () => import("./import.js"),
  growth: () => import("./growth.js"),
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(subjects);
const unknown = chosen.find((name) => !Object.hasOwn(subjects, name));
if (unknown !== undefined) throw new Error(`No subject ${unknown}. There are: ${Object.keys(subjects).join(", ")}.`);

const before = machine();
const answers: Answer[] = [];
for (const name of chosen) {
  const measured = await measure(name);
  print(name, measured);
  answers.push(...measured);
}
write(process.argv.length > 2 ? chosen.join("-") : "all", before, answers);

/** A subject whose ground is not there (no token to be had, no compiler) says so, and the others go on. */
async function measure(name: string): Promise<Answer[]> {
  try {
    return (await (await subjects[name]?.())?.measure()) ?? [];
  } catch (error) {
    return [{ subject: name, notMeasured: error instanceof Error ? error.message : String(error) }];
  }
}
