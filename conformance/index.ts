/** What every signer must do, whatever key store it stands for: the suite that all providers of Hardproof pass. */
import { disclosureCases } from "./disclosure-cases.js";
import type { Case, Fixture } from "./fixture.js";
import { lifecycleCases } from "./lifecycle-cases.js";
import { signingCases } from "./signing-cases.js";

export type { Case, Fixture, Reason } from "./fixture.js";

/**
 * The cases for one signer. They need no test runner, and may run in any order, one after the other.
 *
 * @example
 * ```ts
 * for (const { name, run, notApplicable } of conformance({ open: () => new VaultSigner(options) }))
 *   it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
 * ```
 */
export function conformance(fixture: Fixture): Case[] {
  return [...signingCases(fixture), ...lifecycleCases(fixture), ...disclosureCases(fixture)];
}
