/** The conformance kit: what every signer must do, whatever its key store. All providers of Hardproof pass it. */
import { disclosureCases } from "./disclosure-cases.js";
import type { Case, Fixture } from "./fixture.js";
import { lifecycleCases } from "./lifecycle-cases.js";
import { signingCases } from "./signing-cases.js";
import { slowStoreCases } from "./slow-store-cases.js";

export type { Case, Fixture, Reason } from "./fixture.js";

/**
 * Returns the cases for one provider. They don't need a test runner, and may run in any order, one after another.
 *
 * @example
 * ```ts
 * for (const { name, run, notApplicable } of conformance({ open: () => new VaultSigner(options) }))
 *   it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
 * ```
 */
export function conformance(fixture: Fixture): Case[] {
  return [
    ...signingCases(fixture),
    ...lifecycleCases(fixture),
    ...slowStoreCases(fixture),
    ...disclosureCases(fixture),
  ];
}
