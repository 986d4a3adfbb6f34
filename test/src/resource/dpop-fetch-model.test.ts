/** Random sequences of changes, failures and concurrent calls, with model servers that detect replays and wrong nonces. */
import fc from "fast-check";
import { DPoPProver, dpopFetch, OAuthClient, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterEach, expect, it, vi } from "vitest";
import { AS, type ModelServers, modelServers, RS } from "../../servers/model-servers.js";

afterEach(() => {
  vi.useRealTimers();
});

const server = fc.constantFrom("as" as const, "rs" as const);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ action: fc.constant("call" as const), times: fc.integer({ min: 1, max: 4 }) }) },
  fc.record({ action: fc.constant("rotate" as const), server }),
  fc.record({ action: fc.constant("revoke" as const) }),
  fc.record({ action: fc.constant("pass" as const), seconds: fc.constantFrom(1, 30, 80, 120) }),
  fc.record({ action: fc.constant("skew" as const), seconds: fc.integer({ min: -500, max: 500 }) }),
  fc.record({
    action: fc.constant("fail" as const),
    server,
    fault: fc.constantFrom("break" as const, "503" as const, "stale-nonce" as const),
    times: fc.integer({ min: 1, max: 6 }),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const signer = MemorySigner.generate();

async function newCaller(model: ModelServers, turn: () => Promise<void>) {
  const fetch = model.fetch(turn);
  const prover = await DPoPProver.create(signer);
  const client = new OAuthClient({ baseUrl: AS, fetch });
  const grant = { grantType: "client_credentials", clientId: "my-agent", clientSecret: "s3cr3t" };
  const call = dpopFetch({ prover, token: tokenSource({ client, prover, ...grant }), fetch });
  let calls = 0;
  return () => call(`${RS}/resource`, { headers: { "x-call": String(++calls) } }).then(({ status }) => status, nameOf);
}

function nameOf(error: Error): string {
  return error.name;
}

function pass(seconds: number): void {
  vi.advanceTimersByTime(seconds * 1000);
}

function apply(model: ModelServers, step: Exclude<Step, { action: "call" }>): void {
  if (step.action === "rotate") model.rotate(step.server);
  if (step.action === "revoke") model.revoke();
  if (step.action === "pass") pass(step.seconds);
  if (step.action === "skew") model.skew = step.seconds;
  if (step.action === "fail") model.fail(step.server, step.fault, step.times);
}

it("never replays a proof, leaks a nonce or loops, and succeeds once the servers have recovered", async () => {
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 15 }), async (scheduler, steps) => {
      vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.UTC(2026, 0, 1) });
      const model = modelServers();
      const call = await newCaller(model, () => scheduler.schedule(Promise.resolve()));
      const pending: Promise<unknown>[] = [];
      for (const step of steps) {
        if (step.action === "call") pending.push(...Array.from({ length: step.times }, () => call()));
        else apply(model, step);
        for (let turns = 0; turns < 5 && scheduler.count() > 0; turns++) await scheduler.waitOne();
      }
      for (const outcome of await scheduler.waitFor(Promise.all(pending))) outcomes.add(String(outcome));

      model.recover();
      pass(120);
      expect(await scheduler.waitFor(call())).toBe(200);
      expect(model.violations).toEqual([]);
      expect(Math.max(...model.requests.values())).toBeLessThanOrEqual(4);
    }),
    { numRuns: 100 },
  );
  expect(outcomes).toContain("200");
  for (const outcome of outcomes) expect(["200", "401", "503", "OAuthError", "TypeError"]).toContain(outcome);
});
