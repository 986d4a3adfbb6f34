/** Protection, exportability and attestation of a key version, from the attributes of Key Vault. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import { isHsmType } from "./algorithms.js";
import type { KeyVaultKey } from "./client.js";

/** What a managed HSM attests about a key, or `unknown` if it doesn't. */
export type Attestation = NonNullable<KeyVaultKey["properties"]["attestation"]> | "unknown";

/**
 * Reads the facts about a key version.
 *
 * @param attestation - That of a managed HSM. A vault doesn't have any.
 */
export function readFacts(
  { key, properties, keyType, keyOperations }: KeyVaultKey,
  attestation?: Attestation,
): KeyFacts {
  const { releasePolicy } = properties;
  return {
    protection: isHsmType(keyType) ? "hsm" : "software",
    exportable: properties.exportable ?? "unknown",
    evidence: withoutUndefined({
      kid: properties.id,
      kty: keyType,
      crv: key?.crv,
      key_ops: keyOperations,
      enabled: properties.enabled,
      notBefore: timeOf(properties.notBefore),
      expires: timeOf(properties.expiresOn),
      created: timeOf(properties.createdOn),
      updated: timeOf(properties.updatedOn),
      exportable: properties.exportable,
      hsmPlatform: properties.hsmPlatform,
      managed: properties.managed,
      recoveryLevel: properties.recoveryLevel,
      recoverableDays: properties.recoverableDays,
      releasePolicy: releasePolicy && {
        contentType: releasePolicy.contentType,
        immutable: releasePolicy.immutable,
        encodedPolicy: base64Of(releasePolicy.encodedPolicy),
      },
      attestation: attestation && readAttestation(attestation),
    }),
  };
}

/** How to verify it: https://learn.microsoft.com/azure/key-vault/managed-hsm/key-attestation. */
function readAttestation(attestation: Attestation) {
  if (attestation === "unknown") return attestation;
  return {
    version: attestation.version,
    certificatePemFile: base64Of(attestation.certificatePemFile),
    privateKeyAttestation: base64Of(attestation.privateKeyAttestation),
    publicKeyAttestation: base64Of(attestation.publicKeyAttestation),
  };
}

/** The service omits what doesn't apply to a key. */
function withoutUndefined(evidence: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(evidence).filter(([, value]) => value !== undefined));
}

function base64Of(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString("base64");
}

function timeOf(time: Date | undefined): string | undefined {
  return time?.toISOString();
}
