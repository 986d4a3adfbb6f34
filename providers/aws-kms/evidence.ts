/** What AWS KMS says of a key: where it was made, and whether it can be anywhere else. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { KeyMetadata } from "./client.js";

/**
 * By the origin of the key material. What was imported also exists where it was made; what is in an external store is as
 * safe as that.
 */
const BY_ORIGIN: Readonly<Record<string, Pick<KeyFacts, "protection" | "exportable">>> = {
  AWS_KMS: { protection: "hsm", exportable: false },
  AWS_CLOUDHSM: { protection: "hsm", exportable: false },
  EXTERNAL: { protection: "hsm", exportable: "unknown" },
  EXTERNAL_KEY_STORE: { protection: "external", exportable: "unknown" },
};

/** @param metadata - as `DescribeKey` gives it */
export function readFacts(metadata: KeyMetadata): KeyFacts {
  const known = BY_ORIGIN[metadata.Origin ?? ""] ?? { protection: "unknown", exportable: "unknown" };
  return { ...known, evidence: { ...metadata } };
}
