/** A check that a key can't be exported, for applications that have to prove it. */

import { assertObject } from "./assert.js";
import type { KeyDescription, KeyFacts, Signer, SignOptions } from "./signer.js";
import { misconfigured, signerError } from "./signer-error.js";

/** Requirements of {@link requireNonExportable}. */
export interface KeyRequirement {
  /** Where the key may be stored, such as `["hsm", "tpm"]`. Default: in any store that it can't be exported from. */
  protection?: readonly KeyDescription["protection"][] | undefined;
}

/**
 * Checks that the key's store reports it as not exportable and, optionally, that it is stored where it must be.
 *
 * @example
 * ```ts
 * const evidence = await requireNonExportable(signer, { protection: ["hsm"] });
 * ```
 *
 * @returns The description that met the requirement, to be archived as evidence.
 * @throws {SignerError} With code `wrong-key` if the key doesn't meet the requirement, or the store doesn't report it.
 */
export async function requireNonExportable(
  signer: Signer,
  requirement: KeyRequirement & SignOptions = {},
): Promise<KeyDescription> {
  const { signal } = assertRequirement(requirement);
  if (typeof signer?.describe !== "function") throw misconfigured("signer must be a Signer.");
  const description = await signer.describe({ signal });
  const problem = requirementProblem(description, requirement);
  if (problem === undefined) return description;
  throw signerError(description.uri, "wrong-key", problem);
}

/**
 * Returns the requirement if it is one.
 *
 * @throws {SignerError} With code `misconfigured`.
 */
export function assertRequirement<Requirement extends KeyRequirement>(requirement: Requirement): Requirement {
  const { protection } = assertObject(requirement, "The requirement");
  if (protection !== undefined && !Array.isArray(protection)) throw misconfigured("protection must be an array.");
  return requirement;
}

const CREATE_ELSEWHERE =
  "A key in a file or in memory can always be exported: use another store, and create a key inside it that is never extractable.";

/** Returns why a key doesn't meet a requirement, and what to do, or `undefined` if it does. */
export function requirementProblem(
  { exportable, protection, evidence }: KeyFacts,
  { protection: required }: KeyRequirement,
): string | undefined {
  if (exportable !== false) {
    const problem =
      exportable === "unknown" ? "The store doesn't report whether the key can be exported" : "The key can be exported";
    const requirement = required ? `${required.join(" or ")}, not exportable` : "a key that can't be exported";
    return `${problem}; required is ${requirement}. ${CREATE_ELSEWHERE}`;
  }
  if (!required || required.includes(protection)) return undefined;
  const software = typeof evidence.software === "string" ? ` (${evidence.software})` : "";
  return `The key's protection is ${protection}${software}; required is ${required.join(" or ")}. Use a key in such a store.`;
}
