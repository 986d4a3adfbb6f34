/** What a key must be before it is used: for those who have to show that it can't be copied. */
import { SignerError } from "../errors.js";
import type { KeyDescription, Signer, SignOptions } from "./signer.js";

export interface KeyRequirement {
  /** Where the key may live. Default: anywhere from which it can't be exported. */
  protection?: readonly KeyDescription["protection"][] | undefined;
}

/**
 * Refuses a key unless its store says that it can't be exported, and that it lives where it must.
 *
 * @returns the description that satisfied it, to be kept as evidence
 * @throws {SignerError} code `wrong-key` if it does not meet the requirement, or if the store does not say
 */
export async function requireNonExportable(
  signer: Signer,
  requirement: KeyRequirement & SignOptions = {},
): Promise<KeyDescription> {
  const { protection, signal } = requirement;
  const description = await signer.describe({ signal });
  const { uri, exportable } = description;
  if (exportable !== false) {
    const found = exportable === "unknown" ? "its store does not say that it can't be exported" : "it can be exported";
    throw new SignerError("wrong-key", `${uri}: ${found}. Make a key inside the store, never extractable.`, { uri });
  }
  if (protection && !protection.includes(description.protection)) {
    const message = `${uri}: its protection is ${description.protection}, wanted is ${protection.join(" or ")}.`;
    throw new SignerError("wrong-key", message, { uri });
  }
  return description;
}
