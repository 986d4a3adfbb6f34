/** Runs the conformance kit in a process with an OpenSSL configuration, and reports its cases as tests. */
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { beforeAll, expect, it } from "vitest";
import { type ProgramOptions, runProgram } from "./program.js";

interface CaseResult {
  readonly name: string;
  readonly failure?: string;
  readonly notApplicable?: string;
}

const PRELUDE = `
import { conformance } from "hardproof/conformance";
import { OpensslSigner } from "hardproof/openssl";
import { setImmediate } from "node:timers/promises";
import { occupyThreadPool } from "../busy-thread-pool.ts";
const busy = [];
const occupied = (signer) => (busy.push(occupyThreadPool()), signer);
`;

const RUN = `
const results = [];
for (const { name, run, notApplicable } of conformance(fixture)) {
  const [{ reason }] = await Promise.allSettled([run()]);
  results.push({ name, notApplicable, ...(reason && { failure: String(reason.stack) }) });
  for (const release of busy.splice(0)) await release();
  // The kit creates a public key for each signature, and each one occupies memory of a TPM until it is collected.
  globalThis.gc?.();
  await setImmediate();
}
`;

/**
 * Registers one test for each case of the kit.
 *
 * @param fixture - A program that declares the kit's `fixture`. `occupied(signer)` returns a signer whose signatures wait.
 * @param where - Returns where it runs. Called before the tests.
 * @param signatures - How many signatures the kit makes, for the member of the fixture.
 */
export function registerKit(
  fixture: string,
  where: () => ProgramOptions | Promise<ProgramOptions>,
  signatures = 25,
): void {
  let results: CaseResult[];
  beforeAll(async () => {
    const options = await where();
    const node = ["--expose-gc", "--disable-warning=ExperimentalWarning"];
    results = (await runProgram(`const signatures = ${signatures};${fixture}${RUN}`, {
      ...options,
      options: node,
      prelude: PRELUDE,
    })) as CaseResult[];
  }, 300_000);

  for (const name of kitNames(signatures))
    it(name, (test) => {
      const result = results.find((other) => other.name === name) ?? expect.unreachable("It didn't run.");
      expect(result.failure).toBeUndefined();
      if (result.notApplicable) test.skip(result.notApplicable);
    });
}

/** Returns the names of the kit's cases. */
export function kitNames(signatures: number): string[] {
  return conformance({ open: () => MemorySigner.generate(), signatures }).map(({ name }) => name);
}
