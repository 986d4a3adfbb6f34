/** Prints the failed tests and steps of a run, and its counts: `node summary.mjs REPORT… -- [FAILED STEP]…`. */
import { existsSync, readFileSync } from "node:fs";

const separator = process.argv.indexOf("--");
const failedSteps = process.argv.slice(separator + 1);
const reports = process.argv
  .slice(2, separator)
  .filter((file) => existsSync(file))
  .map((file) => JSON.parse(readFileSync(file, "utf8")));

const files = reports.flatMap((report) => report.testResults);
const failures = files.flatMap(({ name, message, assertionResults }) => [
  ...(message ? [`${name}: ${message}`] : []),
  ...assertionResults
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => `${name}: ${fullName}\n  ${failureMessages.join("\n  ")}`),
]);
for (const failure of failures) console.log(`failed test: ${failure}`);
for (const step of failedSteps) console.log(`failed step: ${step}`);

const sum = (count) => reports.reduce((total, report) => total + report[count], 0);
// A step that fails without a failed test counts, too: a check, an interop file, a suite that doesn't load.
const otherSteps = failedSteps.filter((step) => !step.startsWith("run_tests")).length;
const failed = Math.max(sum("numFailedTests") + otherSteps, failedSteps.length);
const skipped = sum("numPendingTests");
console.log(`${sum("numPassedTests")} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
