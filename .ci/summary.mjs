/** Prints the failed tests of a run, and its counts: `node summary.mjs REPORT… -- [FAILED STEP]…`. */
import { existsSync, readFileSync } from "node:fs";

const separator = process.argv.indexOf("--");
const failedSteps = process.argv.slice(separator + 1);
const reports = process.argv
  .slice(2, separator)
  .filter((file) => existsSync(file))
  .map((file) => JSON.parse(readFileSync(file, "utf8")));

for (const { name, message, assertionResults } of reports.flatMap((report) => report.testResults)) {
  if (message) console.log(`${name}: ${message}`); // the file doesn't load
  const failures = assertionResults.filter(({ status }) => status === "failed");
  for (const { fullName, failureMessages } of failures) console.log(`${name}: ${fullName}\n  ${failureMessages[0]}`);
}
console.log(`failed steps: ${failedSteps.join(", ") || "none"}`);

const sum = (count) => reports.reduce((total, report) => total + report[count], 0);
// A step can fail without a failed test: a check, or an error outside all tests.
const failed = Math.max(sum("numFailedTests"), failedSteps.length);
const skipped = sum("numPendingTests");
console.log(`${sum("numPassedTests")} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
