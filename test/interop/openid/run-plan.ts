/** Runs the modules of a plan, one after the other, and collects how the suite judged them. */
import { clientJwks } from "hardproof";
import { CLIENT_ID, CLIENT_SECRET, type Keys, REDIRECT_URI, runClient, type Session } from "./client.js";
import type { Plan } from "./plans.js";
import type { Module, Result, SuiteApi } from "./suite-api.js";

/** How a module ended. */
export interface Verdict {
  readonly module: string;
  readonly result: Result;
  /** What the client came to. */
  readonly client: string;
  /** Why the suite wasn't satisfied. */
  readonly reasons: readonly string[];
}

/** Seconds that the suite waits for a request that the client must not send. */
const WAIT_TIMEOUT = 2;
/** Milliseconds in which a module ends after the client's last request. */
const END_TIMEOUT = 30_000;
/** Its second login must use the server's new keys. */
const TWO_LOGINS = "oidcc-client-test-signing-key-rotation";
/** The modules that end before the client has a token. */
const LAST_PATHS: Readonly<Record<string, string>> = {
  "oidcc-client-test-discovery-openid-config": "/.well-known/openid-configuration",
  "oidcc-client-test-discovery-jwks-uri-keys": "/jwks",
};

/** Creates a plan and runs all of its modules. */
export async function runPlan(suite: SuiteApi, plan: Plan, keys: Keys): Promise<Verdict[]> {
  const alias = `hardproof-${crypto.randomUUID()}`; // Plans with the same alias would stop each other.
  const { id, modules } = await suite.createPlan(plan.name, plan.variant, await configuration(plan, alias, keys));
  const verdicts: Verdict[] = [];
  for (const module of modules) verdicts.push(await runUntilEnd(suite, { plan, planId: id, module, keys }));
  return verdicts;
}

/** Repeats a module once that doesn't end: the suite forgets to end one whose last request takes it too long. */
async function runUntilEnd(suite: SuiteApi, module: ModuleRun): Promise<Verdict> {
  const verdict = await runModule(suite, module);
  return verdict.result === "UNKNOWN" ? runModule(suite, module) : verdict;
}

async function configuration({ title, client: { scope } }: Plan, alias: string, { signer }: Keys): Promise<object> {
  const jwks = await clientJwks(signer);
  const client = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uri: REDIRECT_URI, scope, jwks };
  return { alias, description: `Hardproof: ${title}`, client, waitTimeoutSeconds: WAIT_TIMEOUT };
}

interface ModuleRun {
  readonly plan: Plan;
  readonly planId: string;
  readonly module: Module;
  readonly keys: Keys;
}

async function runModule(suite: SuiteApi, { plan, planId, module, keys }: ModuleRun): Promise<Verdict> {
  const { testModule, variant } = module;
  const id = await suite.startModule(planId, module);
  const { issuer = "", accounts_endpoint, userinfo_endpoint } = await suite.exposed(id);
  const session: Session = {
    ...keys,
    kind: plan.client,
    issuer,
    resource: accounts_endpoint ?? userinfo_endpoint ?? new URL("userinfo", issuer).href,
    responseMode: variant?.response_mode === "form_post" ? "form_post" : undefined,
    logins: testModule === TWO_LOGINS ? 2 : 1,
    lastPath: LAST_PATHS[testModule],
  };
  const client = await runClient(session).catch((error: Error) => error);
  const hasFailed = client instanceof Error;
  const result = await suite.resultOf(id, hasFailed ? 0 : END_TIMEOUT);
  const reasons = result === "PASSED" ? [] : await suite.reasons(id);
  if (hasFailed) return { module: testModule, result: "FAILED", client: client.message.slice(0, 300), reasons };
  return { module: testModule, result, client, reasons };
}
