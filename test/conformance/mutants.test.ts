/** Tests the conformance kit: a correct signer passes every case, and each defect fails exactly the case about it. */
import { type AlgorithmName, KeySigner } from "hardproof";
import { conformance, type Fixture } from "hardproof/conformance";
import { beforeAll, describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/jose/algorithms.js";
import { isAvailable } from "../../src/jose/find-algorithm.js";
import { DISCLOSURE_MUTANTS } from "./disclosure-mutants.js";
import { LIFECYCLE_MUTANTS } from "./lifecycle-mutants.js";
import { messageLengthMutants } from "./message-length-mutants.js";
import type { Mutant } from "./mutant.js";
import { signingMutants } from "./signing-mutants.js";
import { type CreateSigner, fixtureOf, SLOW_CASE, type TestKey, testKey } from "./store.js";

const correct: CreateSigner = (source, options) => new KeySigner(source, options);
const available = ALGORITHMS.filter(isAvailable).map(({ alg }) => alg);
/** One more algorithm for each form of a signature. */
const OTHERS: readonly AlgorithmName[] = ["ES384", "Ed25519", "PS256", "ML-DSA-44"];

/** Returns the names of the cases that fail. */
async function failuresOf(fixture: Fixture): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of conformance(fixture)) await run().catch(() => failed.push(name));
  return failed;
}

describe("a correct signer", () => {
  for (const { name, run, notApplicable } of conformance(fixtureOf(correct, testKey("ES256"))))
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a minimal fixture", () => {
  const { openKey } = testKey("ES256");

  it("makes the cases that need more than a signer not applicable, with the reason", () => {
    const cases = conformance({ open: () => correct({ provider: "test", uri: "test:", open: () => openKey }) });
    const reasons = cases.flatMap(({ notApplicable }) => notApplicable ?? []);
    expect(new Set(reasons)).toEqual(
      new Set(
        [
          "connections",
          "hanging",
          "failsFirst",
          "deleted",
          "slow",
          "wrongKey",
          "secrets",
          "minMessageBytes",
          "maxMessageBytes",
        ].map((n) => `The fixture doesn't define \`${n}\`.`),
      ),
    );
    expect(reasons.length).toBeLessThan(cases.length / 2);
  });

  it("uses the fixture's own reason why a case isn't applicable", () => {
    const fixture = fixtureOf(correct, testKey("ES256"));
    const cases = conformance({ ...fixture, hanging: "The store can't hang.", onEventLoop: "In memory." });
    expect(cases.flatMap(({ notApplicable }) => notApplicable ?? [])).toEqual([
      "In memory.",
      "The store can't hang.",
      "The store can't hang.",
    ]);
  });
});

describe("the conformance kit", () => {
  const key = testKey("ES256");
  const mutants = [...signingMutants(key), ...messageLengthMutants(key), ...LIFECYCLE_MUTANTS, ...DISCLOSURE_MUTANTS];
  failsForEach(key, mutants);

  it("fails a case that does not finish within its timeout", async () => {
    const stuck: CreateSigner = (source) => new KeySigner({ ...source, open: () => new Promise(() => {}) });
    const [first] = conformance(fixtureOf(stuck, key, { timeout: 50 }));
    await expect(first?.run()).rejects.toThrow(/^The case did not finish within 50 ms: publicJwk\(\)/);
  });

  it("fails each of its cases for one of these defects", () => {
    const untested = conformance(fixtureOf(correct, key)).filter(
      ({ name }) => !SLOW_CASE.test(name) && !mutants.some(([, failingCase]) => failingCase.test(name)),
    );
    expect(untested).toEqual([]);
  });
});

describe.each(OTHERS.filter((alg) => available.includes(alg)))("the conformance kit, for %s", (alg) => {
  const key = testKey(alg);
  failsForEach(key, signingMutants(key), { hanging: undefined, failsFirst: undefined });
});

function failsForEach(key: TestKey, mutants: readonly Mutant[], more: Partial<Fixture> = {}): void {
  // Concurrent, since most of their time is spent waiting for time limits. The case about a slow store would see the
  // others on its event loop, so slow-store.test.ts tests it.
  let failed: Map<CreateSigner, string[]>;
  beforeAll(async () => {
    const limits = { signatures: 100, slow: "See slow-store.test.ts.", ...more };
    const fixture = (make: CreateSigner) => ({ ...fixtureOf(make, key), ...limits });
    const run = async (make: CreateSigner) => [make, await failuresOf(fixture(make))] as const;
    failed = new Map(await Promise.all(mutants.map(([, , make]) => run(make))));
  });

  it.each(mutants)("fails exactly one case for a signer with %s", (_, expected, make) => {
    expect(failed.get(make)).toEqual([expect.stringMatching(expected)]);
  });
}
