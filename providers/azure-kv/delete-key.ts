/** Deletes a key in Key Vault with all its versions. It can be recovered until it is purged. */
import { SignerError } from "../../src/errors.js";
import type { DeletedKey } from "../../src/keystore/provider.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { jwsAlgorithmsOf } from "./algorithms.js";
import type { AzureKvClient, DeletedKeyProperties, KeyVaultKey } from "./client.js";
import type { KeyId } from "./key-id.js";
import { formatAzureKvUri } from "./uri.js";

/**
 * Deletes a key.
 *
 * @throws {SignerError} With code `ambiguous-key` if a version is named; `wrong-key` if the key doesn't sign.
 */
export async function deleteKey(
  client: AzureKvClient,
  { vaultUrl, name, version }: KeyId,
  signal: AbortSignal,
): Promise<DeletedKey> {
  if (version !== undefined)
    throw new SignerError(
      "ambiguous-key",
      "Key Vault deletes a key with all its versions, never one of them. Remove the version from the URI to delete all.",
    );
  checkDeletable((await client.getKey(name, undefined, signal)).key);
  const destroyedAt = purgeTimeOf(await client.deleteKey(name, signal));
  const uri = formatAzureKvUri({ vaultUrl, name });
  if (destroyedAt === null) return { uri, destroyedAt };
  const note =
    "Until then, az keyvault key recover restores it, with all its versions, and its name can't be used again.";
  return { uri, destroyedAt, note };
}

/** A vault without soft delete, as old ones are, doesn't keep a deleted key. */
function purgeTimeOf(deleted: DeletedKeyProperties | undefined): DeletedKey["destroyedAt"] {
  return deleted?.scheduledPurgeDate ?? (deleted?.recoveryLevel === "Purgeable" ? null : "unknown");
}

function checkDeletable({ keyType, key, keyOperations, properties }: KeyVaultKey): void {
  if (properties.managed) throw misconfigured("The key belongs to a certificate. Delete the certificate instead.");
  if (jwsAlgorithmsOf({ keyType, curve: key?.crv, keyOperations }).length > 0) return;
  const message = `The key is of type ${keyType}, or may not sign, so Hardproof doesn't delete it. It wasn't deleted.`;
  throw new SignerError("wrong-key", message);
}
