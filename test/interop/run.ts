/**
 * Runs Hardproof against software that others wrote: `npm run interop keycloak`. Without a name, it runs everything.
 * What it needs is installed into a cache outside the repository. It exits with 1 if a scenario fails.
 */
import { type Results, reporter, type Scenario } from "./scenario.js";

const PROGRAMS: Readonly<Record<string, () => Promise<(scenario: Scenario) => Promise<void>>>> = {
  keycloak: async () => (await import("./keycloak.js")).keycloak,
};

async function run(names: readonly string[], results: Results): Promise<void> {
  for (const name of names) {
    const load = PROGRAMS[name];
    if (load === undefined) throw new Error(`${name} isn't one of ${Object.keys(PROGRAMS).join(", ")}.`);
    console.log(name);
    await (await load())(reporter(results));
  }
}

const names = process.argv.slice(2);
const results: Results = { passed: 0, failed: 0 };
await run(names.length > 0 ? names : Object.keys(PROGRAMS), results).catch((error: unknown) => {
  results.failed += 1;
  console.error(error);
});
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed === 0 ? 0 : 1;
