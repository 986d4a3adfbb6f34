/** Tests the kit's case about a slow store: each operation must leave the event loop free, and end within its timeout. */
import { setTimeout } from "node:timers/promises";
import { KeySigner, type KeySignerOptions, type KeySource, SignerError, type SignOptions } from "hardproof";
import { conformance, type Fixture } from "hardproof/conformance";
import { describe, expect, it } from "vitest";
import { instanceOf } from "./mutant.js";
import { fixtureOf, SLOW_CASE, testKey } from "./store.js";

class DescribesWithoutTimeout extends KeySigner {
  readonly #source: KeySource;

  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    this.#source = source;
  }

  override async describe(options?: SignOptions) {
    const key = await this.#source.open({ signal: new AbortController().signal });
    await key.describe({ signal: new AbortController().signal });
    return super.describe(options);
  }
}

describe("the case about a slow store", () => {
  const key = testKey("ES256");
  const caseOf = (fixture: Fixture) => conformance(fixture).find(({ name }) => SLOW_CASE.test(name));
  const caseFor = (slow: Fixture["slow"]) => caseOf({ ...fixtureOf(instanceOf(KeySigner), key), slow });
  const timedOut = () => Promise.reject(new SignerError("timeout", "The store didn't respond."));
  const correctly = ({ timeout = 0 }: KeySignerOptions) => setTimeout(timeout).then(timedOut);
  const defects = {
    "leave the event loop free": async () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
      return timedOut();
    },
    "end within its timeout": () => setTimeout(1_000).then(timedOut),
  };
  const operations = ["opening", "describing", "recovering", "making", "listing"];
  const mutants = operations.flatMap((operation) =>
    Object.entries(defects).map(([requirement, defect]) => ({ operation, requirement, defect })),
  );

  it.each(mutants)("fails because $operation doesn't $requirement", async ({ operation, requirement, defect }) => {
    const slow = Object.fromEntries(operations.map((name) => [name, name === operation ? defect : correctly]));
    await expect(caseFor(slow)?.run()).rejects.toThrow(new RegExp(`^${operation} must ${requirement}`));
  });

  it("fails because an operation succeeds after its timeout, or with another error", async () => {
    for (const listing of [() => setTimeout(300), async () => expect.unreachable("another error")])
      await expect(caseFor({ listing })?.run()).rejects.toThrow(/^listing on a slow store/);
  });

  it("fails for a signer whose describe() ignores the timeout", async () => {
    const { run = expect.unreachable } = caseOf(fixtureOf(instanceOf(DescribesWithoutTimeout), key)) ?? {};
    await expect(run()).rejects.toThrow(/^describing must end within its timeout/);
  });

  it("passes if each operation ends with a timeout", async () => {
    await expect(
      caseFor(Object.fromEntries(operations.map((name) => [name, correctly])))?.run(),
    ).resolves.toBeUndefined();
  });
});
