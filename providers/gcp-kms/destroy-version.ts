/** Schedules the destruction of a key version in Cloud KMS, which never deletes the key itself. */
import { SignerError } from "../../src/errors.js";
import type { DeletedKey } from "../../src/keystore/provider.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { jwsAlgorithmOf } from "./algorithms.js";
import type { GcpKmsClient, KeyVersion } from "./client.js";
import { checkResourceName, idOf, parentOf } from "./resource-name.js";

const SCHEDULED = "DESTROY_SCHEDULED";
/** The states in which there is nothing left to destroy. */
const GONE = ["DESTROYED", "GENERATION_FAILED", "IMPORT_FAILED", "EXTERNAL_DESTRUCTION_FAILED"];

/**
 * Schedules the destruction of a version, or of the only version of a key.
 *
 * @param toUri - Returns the URI of a version.
 * @throws {SignerError} With code `ambiguous-key` if the key has several versions; `key-not-found` if it has none that could be
 *   destroyed; `wrong-key` if the version doesn't sign.
 */
export async function destroyVersion(
  client: GcpKmsClient,
  name: string,
  toUri: (name: string) => string,
  signal: AbortSignal,
): Promise<DeletedKey> {
  const kind = checkResourceName(name, ["key", "key version"]);
  const version = kind === "key" ? await onlyVersion(client, name, signal) : await client.getVersion(name, signal);
  const { name: versionName = "" } = version;
  if (!versionName || (kind === "key version" ? versionName !== name : parentOf(versionName) !== name))
    throw new SignerError("integrity", `The response is for ${versionName} instead of ${name}.`);
  checkDestroyable(version);
  const destroyed = await client.destroyVersion(versionName, signal);
  const [keyRing, key] = [parentOf(parentOf(versionName)), idOf(parentOf(versionName))];
  const restore = `gcloud kms keys versions restore ${idOf(versionName)} --key ${key} --keyring ${keyRing}`;
  return {
    uri: toUri(versionName),
    destroyedAt: timeOf(destroyed),
    note: `Until then, ${restore} restores it, disabled. The key and its name stay.`,
  };
}

async function onlyVersion(client: GcpKmsClient, key: string, signal: AbortSignal): Promise<KeyVersion> {
  const versions = await client.listVersions(key, signal);
  const left = versions.filter(({ state }) => ![...GONE, SCHEDULED].includes(String(state)));
  const [version] = left;
  if (version && left.length === 1) return version;
  const list = versions.map((each) => `version ${idOf(each.name ?? "")} is ${each.state}`).join(", ");
  if (version)
    throw new SignerError(
      "ambiguous-key",
      `The key has several versions (${list}). Add /cryptoKeyVersions/N to the URI.`,
    );
  throw new SignerError("key-not-found", `The key has no version to destroy (${list || "it doesn't have any"}).`);
}

function checkDestroyable(version: KeyVersion): void {
  const state = String(version.state);
  if (GONE.includes(state))
    throw new SignerError("key-not-found", `The key version is ${state}: nothing is left of it.`);
  if (state === SCHEDULED)
    throw misconfigured(`The key version is scheduled for destruction already${dateOf(version)}.`);
  jwsAlgorithmOf(version.algorithm);
}

function dateOf(version: KeyVersion): string {
  const time = timeOf(version);
  return time === "unknown" ? "" : `, on ${time.toISOString()}`;
}

/** When the version will be destroyed, if the service reports it. */
function timeOf({ destroyTime }: KeyVersion): Date | "unknown" {
  const seconds = destroyTime?.seconds;
  return seconds === undefined || seconds === null ? "unknown" : new Date(Number(seconds) * 1000);
}
