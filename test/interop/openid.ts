/**
 * The OpenID Foundation's conformance suite: the client plans of FAPI 2.0 and OpenID Connect, with keys on a SoftHSM token.
 * It runs against any instance of the suite: `npm run interop openid -- BASE_URL`.
 */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { PLANS } from "./openid/plans.js";
import { runPlan, type Verdict } from "./openid/run-plan.js";
import { RESULTS, SuiteApi } from "./openid/suite-api.js";
import { check, type Peer, type Scenario } from "./scenario.js";

/** @param instance - The base URL of a running suite. */
export function openidSuite(instance: string | undefined): Peer {
  const suite = () => {
    if (instance !== undefined) return new SuiteApi(instance);
    throw new Error(
      "It needs a running suite: npm run interop openid -- BASE_URL. CONTRIBUTING.md says how to build one.",
    );
  };
  return {
    title: "OpenID conformance suite",
    kind: "suite",
    install: async () => suite().version(),
    run: (scenario) => runPlans(suite(), scenario),
  };
}

async function runPlans(suite: SuiteApi, scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "openid" });
  const { module, token, key, pin } = hsm;
  await hsm.addKey({ label: "client", id: "02", algorithm: "ES256" });
  await using proofSigner = new Pkcs11Signer({ module, token, key: key.label, pin });
  await using signer = new Pkcs11Signer({ module, token, key: "client", pin });
  const keys = { signer, prover: await DPoPProver.create(proofSigner) };
  const runs = PLANS.map((plan) => runPlan(suite, plan, keys)); // Concurrently: most of their time, they wait.
  const results = Promise.allSettled(runs);
  for (const [index, { row, title }] of PLANS.entries())
    await scenario(row, title, async () => summary((await runs[index]) ?? []));
  console.log(`\n${resultTable(await results)}`);
}

/** @throws {Error} With the reasons of the suite's log, if a module failed or didn't end. */
function summary(verdicts: readonly Verdict[]): string {
  const [failures, others] = [verdicts.filter(hasFailed), verdicts.filter((each) => !hasFailed(each))];
  for (const verdict of others) console.log(`  ${described(verdict)}`);
  check(failures.length === 0, failures.map(described).join("\n"));
  return `${verdicts.filter(({ result }) => result === "PASSED").length} of ${verdicts.length} modules passed`;
}

function hasFailed({ result }: Verdict): boolean {
  return result === "FAILED" || result === "UNKNOWN";
}

function described({ module, result, client, reasons }: Verdict): string {
  return [`${result} ${module}: ${client}`, ...reasons].join("\n    ");
}

/** Returns a line for each plan with the number of modules that ended in each way. */
function resultTable(runs: readonly PromiseSettledResult<Verdict[]>[]): string {
  const width = Math.max(...PLANS.map(({ title }) => title.length));
  const line = (title: string, cells: readonly (string | number)[]) =>
    [title.padEnd(width), ...cells.map((cell) => String(cell).padStart(8))].join(" ");
  const lines = runs.map((run, index) => {
    const verdicts = run.status === "fulfilled" ? run.value : [];
    const counts = RESULTS.map((result) => verdicts.filter((each) => each.result === result).length);
    return line(PLANS[index]?.title ?? "", run.status === "fulfilled" ? counts : ["not run"]);
  });
  return [line("", RESULTS), ...lines].join("\n");
}
