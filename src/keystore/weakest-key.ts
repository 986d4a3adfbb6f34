/** The order of key descriptions by how well they protect the key. */
import type { KeyDescription } from "./signer.js";

/** From the weakest to the strongest. What isn't known may be weak. */
const EXPORTABLE: readonly KeyDescription["exportable"][] = [true, "unknown", false];
const PROTECTION: readonly KeyDescription["protection"][] = ["software", "unknown", "external", "tpm", "hsm"];

/**
 * Returns the description of the least protected replica of a key: the one that can be exported, or else the one in the weakest
 * store. Of equal ones, it is the first.
 */
export function weakestOf(descriptions: readonly KeyDescription[]): KeyDescription {
  return descriptions.reduce((weakest, each) => (rankOf(each) < rankOf(weakest) ? each : weakest));
}

function rankOf({ exportable, protection }: KeyDescription): number {
  return EXPORTABLE.indexOf(exportable) * PROTECTION.length + PROTECTION.indexOf(protection);
}
