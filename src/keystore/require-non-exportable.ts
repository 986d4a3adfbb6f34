/** A check that a key can't be exported, for applications that have to prove it. */

import { assertObject } from "./assert.js";
import type { KeyDescription, Signer, SignOptions } from "./signer.js";
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
  const { protection, signal } = assertObject(requirement, "The requirement");
  if (typeof signer?.describe !== "function") throw misconfigured("signer must be a Signer.");
  if (protection !== undefined && !Array.isArray(protection)) throw misconfigured("protection must be an array.");
  const description = await signer.describe({ signal });
  const { uri, exportable } = description;
  if (exportable !== false) {
    const problem =
      exportable === "unknown" ? "The store doesn't report whether the key can be exported" : "The key can be exported";
    throw signerError(uri, "wrong-key", `${problem}. Create a key inside the store that was never extractable.`);
  }
  if (protection && !protection.includes(description.protection)) {
    const required = protection.join(" or ");
    throw signerError(
      uri,
      "wrong-key",
      `The key's protection is ${description.protection}; required is ${required}. Use a key in such a store.`,
    );
  }
  return description;
}
