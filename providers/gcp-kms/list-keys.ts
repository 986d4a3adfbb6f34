/** The versions of a key ring's keys that can sign. */
import { readableKeys } from "../../src/keystore/readable-keys.js";
import type { GcpKmsClient, KeyVersion } from "./client.js";
import { checkResourceName } from "./resource-name.js";

/** The purpose of the keys that sign. */
export const PURPOSE = "ASYMMETRIC_SIGN" as const;

/** The most concurrent requests. Reads have a quota of 300 per minute. */
const CONCURRENCY = 8;

/**
 * Returns the versions of a key, or of all signing keys of a key ring that the caller may read, in the service's order.
 * A key that the caller may not read, or that can't be named in a URI, is left out with the warning
 * `HARDPROOF_SKIPPED_KEY`.
 *
 * @throws {SignerError} With code `access-denied` if the caller may not read any key.
 */
export async function listVersions(client: GcpKmsClient, name: string, signal: AbortSignal): Promise<KeyVersion[]> {
  if (checkResourceName(name, ["key ring", "key"]) === "key") return client.listVersions(name, signal);
  const keys = await signingKeys(client, name, signal);
  const { keys: versions, skipped } = await readableKeys(keys, CONCURRENCY, (key) => client.listVersions(key, signal));
  for (const { message } of skipped) warnOfSkippedKey(message);
  return versions.flat();
}

async function signingKeys(client: GcpKmsClient, keyRing: string, signal: AbortSignal): Promise<string[]> {
  const keys = await client.listKeys(keyRing, signal);
  return keys.flatMap(({ name, purpose }) => (name && purpose === PURPOSE && canBeNamed(name) ? [name] : []));
}

function canBeNamed(name: string): boolean {
  try {
    return checkResourceName(name, ["key"]) === "key";
  } catch (error) {
    warnOfSkippedKey(error instanceof Error ? error.message : "");
    return false;
  }
}

function warnOfSkippedKey(reason: string): void {
  process.emitWarning(`A key of Cloud KMS was left out of the list: ${reason}`, { code: "HARDPROOF_SKIPPED_KEY" });
}
