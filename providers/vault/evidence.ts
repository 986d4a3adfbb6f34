/** Protection and exportability of a key, from what the server reports about it. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { TransitKey } from "./transit.js";

/**
 * Reads the facts about a version of a key. The engine signs in the server's memory, whatever unseals the server.
 *
 * @param version - The version that the signer is pinned to.
 */
export function readFacts({ data, versions }: TransitKey, version: number): KeyFacts {
  const { creation_time } = versions.get(version) ?? {};
  return {
    protection: "software",
    exportable: exportability(data),
    evidence: { ...data, version, ...(creation_time !== undefined && { creation_time }) },
  };
}

/**
 * The server releases a key that may be exported or backed up in plaintext. An imported or a restored key also existed
 * elsewhere, so the server can't know whether there are copies.
 */
function exportability(data: TransitKey["data"]): KeyFacts["exportable"] {
  const { exportable, allow_plaintext_backup, imported_key, restore_info } = data;
  if (exportable === true || allow_plaintext_backup === true) return true;
  const isGenerated = imported_key === false && restore_info === undefined;
  return exportable === false && allow_plaintext_backup === false && isGenerated ? false : "unknown";
}
