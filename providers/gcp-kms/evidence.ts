/** What Cloud KMS says of a key version: where it lives, whether it can leave, and the HSM's attestation. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { KeyVersion } from "./client.js";

const PROTECTION: Readonly<Record<string, KeyFacts["protection"]>> = {
  SOFTWARE: "software",
  HSM: "hsm",
  HSM_SINGLE_TENANT: "hsm",
  EXTERNAL: "external",
  EXTERNAL_VPC: "external",
};

/** @param version - as `GetCryptoKeyVersion` gives it, which unlike a list includes the attestation */
export function readFacts(version: KeyVersion): KeyFacts {
  const protection = PROTECTION[String(version.protectionLevel)] ?? "unknown";
  return {
    protection,
    exportable: exportable(version, protection),
    evidence: {
      name: version.name,
      state: version.state,
      algorithm: version.algorithm,
      protectionLevel: version.protectionLevel,
      createTime: timeOf(version.createTime),
      generateTime: timeOf(version.generateTime),
      importJob: version.importJob || undefined,
      importTime: timeOf(version.importTime),
      reimportEligible: version.reimportEligible,
      trustedWrappingEnabled: version.trustedWrappingEnabled,
      externalKey: version.externalProtectionLevelOptions?.externalKeyUri || undefined,
      ekmConnectionKeyPath: version.externalProtectionLevelOptions?.ekmConnectionKeyPath || undefined,
      attestation: attestationOf(version),
    },
  };
}

/** Cloud KMS exports no key that it made, unless trusted wrapping was enabled for it; one from outside also is outside. */
function exportable(version: KeyVersion, protection: KeyFacts["protection"]): KeyFacts["exportable"] {
  if (version.trustedWrappingEnabled) return true;
  const madeHere = !version.importJob && !version.importTime && Boolean(version.generateTime);
  return madeHere && (protection === "software" || protection === "hsm") ? false : "unknown";
}

/** Only HSM keys have one. Its format says how to verify it (https://cloud.google.com/kms/docs/attest-key). */
function attestationOf({ attestation }: KeyVersion) {
  if (!attestation?.content?.length) return undefined;
  const { format, content, certChains } = attestation;
  const certificates = certChains && {
    cavium: certChains.caviumCerts ?? [],
    googleCard: certChains.googleCardCerts ?? [],
    googlePartition: certChains.googlePartitionCerts ?? [],
  };
  const base64 = typeof content === "string" ? content : Buffer.from(content).toString("base64");
  return { format, content: base64, certificates: certificates ?? undefined };
}

/** @returns ISO 8601 */
function timeOf(time: { seconds?: unknown } | null | undefined): string | undefined {
  return time ? new Date(Number(time.seconds) * 1000).toISOString() : undefined;
}
