/** The versions of a key ring's keys that can sign. */
import type { Deadline } from "../../src/deadline.js";
import { readableKeys } from "../../src/keystore/readable-keys.js";
import type { GcpKmsClient, KeyVersion } from "./client.js";
import { checkResourceName } from "./resource-name.js";

/** The purpose of the keys that sign. */
export const PURPOSE = "ASYMMETRIC_SIGN" as const;

/** The most concurrent requests. Reads have a quota of 300 per minute. */
const CONCURRENCY = 8;

/**
 * Yields the versions of a key, or of all signing keys of a key ring that the caller may read, in the service's order. A key
 * that the caller may not read, or that can't be named in a URI, is left out with the warning `HARDPROOF_SKIPPED_KEY`.
 *
 * @throws {SignerError} With code `access-denied` if the caller may not read any key.
 */
export async function* listVersions(client: GcpKmsClient, name: string, part: Deadline): AsyncGenerator<KeyVersion[]> {
  if (checkResourceName(name, ["key ring", "key"]) === "key") return yield* client.versionPages(name, part);
  const versionsOfKeys = readableKeys(signingKeys(client, name, part), {
    concurrency: CONCURRENCY,
    read: (key) => client.listVersions(key, part.signal),
    skipped: ({ message }) => warnOfSkippedKey(message),
  });
  for await (const versions of versionsOfKeys) yield versions.flat();
}

async function* signingKeys(client: GcpKmsClient, keyRing: string, part: Deadline): AsyncGenerator<string[]> {
  for await (const keys of client.keyPages(keyRing, part))
    yield keys.flatMap(({ name, purpose }) => (name && purpose === PURPOSE && canBeNamed(name) ? [name] : []));
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
