/** Protection, exportability and attestation of a key version, from the metadata of Cloud KMS. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { KeyVersion } from "./client.js";

const PROTECTION: Readonly<Record<string, KeyFacts["protection"]>> = {
  SOFTWARE: "software",
  HSM: "hsm",
  HSM_SINGLE_TENANT: "hsm",
  EXTERNAL: "external",
  EXTERNAL_VPC: "external",
};

/**
 * Reads the facts about a key version.
 *
 * @param version - The response to `GetCryptoKeyVersion`. Unlike the items of a list, it includes the attestation.
 */
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

/**
 * Cloud KMS doesn't export a key that it generated, unless trusted wrapping is enabled for it. A copy of an imported or
 * external key may exist elsewhere.
 */
function exportable(version: KeyVersion, protection: KeyFacts["protection"]): KeyFacts["exportable"] {
  if (version.trustedWrappingEnabled) return true;
  const isGenerated = !version.importJob && !version.importTime && Boolean(version.generateTime);
  return isGenerated && (protection === "software" || protection === "hsm") ? false : "unknown";
}

/** Only HSM keys have an attestation. How to verify it: https://cloud.google.com/kms/docs/attest-key. */
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

/** Returns the time in ISO 8601. */
function timeOf(time: { seconds?: unknown } | null | undefined): string | undefined {
  return time ? new Date(Number(time.seconds) * 1000).toISOString() : undefined;
}
