/** The versions of a key ring's keys that can sign. */
import { SignerError } from "../../src/errors.js";
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
 * @throws {SignerError} With code `access-denied` or `key-not-found` if the caller can't read any key.
 */
export async function listVersions(client: GcpKmsClient, name: string, signal: AbortSignal): Promise<KeyVersion[]> {
  if (checkResourceName(name, ["key ring", "key"]) === "key") return client.listVersions(name, signal);
  const keys = await signingKeys(client, name, signal);
  const results = await mapSome(keys, (key) => versionsOrError(client, key, signal));
  const failed = results.filter((result) => result instanceof SignerError);
  const [first] = failed;
  if (first && failed.length === keys.length) throw first;
  for (const { message } of failed) warnOfSkippedKey(message);
  return results.flatMap((result) => (result instanceof SignerError ? [] : result));
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

/** One key that has its own policy, or was deleted in the meantime, must not hide the others. */
async function versionsOrError(
  client: GcpKmsClient,
  key: string,
  signal: AbortSignal,
): Promise<KeyVersion[] | SignerError> {
  try {
    return await client.listVersions(key, signal);
  } catch (error) {
    if (error instanceof SignerError && ["access-denied", "key-not-found"].includes(error.code)) return error;
    throw error;
  }
}

function warnOfSkippedKey(reason: string): void {
  process.emitWarning(`A key of Cloud KMS was left out of the list: ${reason}`, { code: "HARDPROOF_SKIPPED_KEY" });
}

/** Maps some items at a time, and returns the results in the order of the items. */
async function mapSome<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const takeRest = async () => {
    for (const [index, item] of rest) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, takeRest));
  return results;
}
