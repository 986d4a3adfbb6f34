/** Protection and exportability of a key, from the metadata of AWS KMS. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { KeyMetadata } from "./client.js";

/** By `Origin`. A copy of imported key material may exist elsewhere. The protection of an external store isn't known. */
const BY_ORIGIN: Readonly<Record<string, Pick<KeyFacts, "protection" | "exportable">>> = {
  AWS_KMS: { protection: "hsm", exportable: false },
  AWS_CLOUDHSM: { protection: "hsm", exportable: false },
  EXTERNAL: { protection: "hsm", exportable: "unknown" },
  EXTERNAL_KEY_STORE: { protection: "external", exportable: "unknown" },
};

/**
 * Reads the facts about a key.
 *
 * @param metadata - The response to `DescribeKey`.
 */
export function readFacts(metadata: KeyMetadata): KeyFacts {
  const facts = BY_ORIGIN[metadata.Origin ?? ""] ?? { protection: "unknown", exportable: "unknown" };
  return { ...facts, evidence: { ...metadata } };
}
