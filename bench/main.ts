/** Measures the built package: `npm run bench`, or `npm run bench -- memory softhsm` for some subjects only. */
import { machine } from "./machine.js";
import { print, write } from "./report.js";
import type { Result } from "./row.js";

/** Each subject can be measured without the others. */
const subjects: Record<string, () => Promise<{ measure(): Promise<Result[]> }>> = {
  memory: () => import("./memory.js"),
  softhsm: () => import("./softhsm.js"),
  replicas: () => import("./replicas.js"),
  tpm: () => import("./tpm.js"),
  "aws-kms": () => import("./aws-kms.js"),
  "gcp-kms": () => import("./gcp-kms.js"),
  fetch: () => import("./fetch.js"),
  import: () => import("./import.js"),
  growth: () => import("./growth.js"),
};

const selected = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(subjects);
const unknown = selected.find((name) => !Object.hasOwn(subjects, name));
if (unknown !== undefined)
  throw new Error(`Unknown subject ${unknown}. Expected one of ${Object.keys(subjects).join(", ")}.`);

const before = machine();
const results: Result[] = [];
for (const name of selected) {
  const measured = await measure(name);
  print(name, measured);
  results.push(...measured);
}
write(process.argv.length > 2 ? selected.join("-") : "all", before, results);

/** Reports a subject that can't be measured here (no token, no compiler), and lets the others continue. */
async function measure(name: string): Promise<Result[]> {
  try {
    return (await (await subjects[name]?.())?.measure()) ?? [];
  } catch (error) {
    return [{ subject: name, notMeasured: error instanceof Error ? error.message : String(error) }];
  }
}
