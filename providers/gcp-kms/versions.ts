/** Which version of a key signs, and whether it can: states, algorithm, and the wait for a key that is being made. */
import { setTimeout } from "node:timers/promises";
import { SignerError, type SignerErrorCode } from "../../src/errors.js";
import type { GcpKmsClient, KeyVersion } from "./client.js";
import { isRefusal } from "./errors.js";
import { idOf } from "./names.js";

export const ALGORITHM = "EC_SIGN_P256_SHA256";
export const ENABLED = "ENABLED";
const PENDING = "PENDING_GENERATION";

/** The states in which a version does not sign, and what to do. */
const STATES: Readonly<Record<string, readonly [SignerErrorCode, string]>> = {
  DISABLED: ["access-denied", "Enable it, or use another version."],
  DESTROY_SCHEDULED: ["access-denied", "Restore and enable it while there is time, or use another version."],
  DESTROYED: ["key-not-found", "Its key is gone for good: use another version."],
  PENDING_IMPORT: ["key-not-found", "Import its key, or use another version."],
  IMPORT_FAILED: ["key-not-found", "Import its key again, or use another version."],
  GENERATION_FAILED: ["key-not-found", "Make another version."],
  PENDING_EXTERNAL_DESTRUCTION: ["key-not-found", "Its key is being destroyed: use another version."],
  EXTERNAL_DESTRUCTION_FAILED: ["key-not-found", "Its key was to be destroyed: use another version."],
};

/** Milliseconds between two looks at a key that is being made: doubled each time, up to the last. */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 2_000;

/**
 * Finds the version that a key signs with: the newest that is enabled, or else the newest that is being made.
 *
 * @returns its full name
 * @throws {SignerError} code `key-not-found` if there is none
 */
export async function newestVersion(kms: GcpKmsClient, key: string, signal: AbortSignal): Promise<string> {
  const versions = (await kms.listVersions(key, signal)).sort((a, b) => numberOf(b) - numberOf(a));
  const inState = (state: string) => versions.find((version) => version.state === state);
  const newest = inState(ENABLED) ?? inState(PENDING);
  if (newest?.name) return newest.name;
  const found =
    versions.map((version) => `${numberOf(version)} is ${version.state}`).join(", ") || "there are none at all";
  const message = `The key has no enabled version: ${found}. Enable one, or make a new one.`;
  throw new SignerError("key-not-found", message);
}

/**
 * Runs the work on a version. When the service refuses the version, its state or algorithm says why. One that is still
 * being made is waited for. Where nothing speaks against it any more, the work is done once more.
 *
 * @throws {SignerError} code `wrong-key`, `access-denied` or `key-not-found`, with the state or algorithm that was found
 */
export async function onUsableVersion<T>(
  kms: GcpKmsClient,
  name: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (refusal) {
    if (!isRefusal(refusal)) throw refusal;
    // Who may sign may not always read the state: then the service's own words must do.
    const version = await kms.getVersion(name, signal).catch(() => {
      throw refusal;
    });
    checkVersion(version);
    if (version.state === PENDING) await generated(kms, name, signal);
    return work();
  }
}

/** @throws {SignerError} code `wrong-key` for any other algorithm than ECDSA on P-256 with SHA-256 */
export function checkAlgorithm(algorithm: unknown): void {
  if (algorithm === ALGORITHM) return;
  const message = `The key version is for ${algorithm}, but ES256 needs ${ALGORITHM} (purpose ASYMMETRIC_SIGN).`;
  throw new SignerError("wrong-key", message);
}

/** Until the version is made, or the signal ends the wait. */
async function generated(kms: GcpKmsClient, name: string, signal: AbortSignal): Promise<void> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LAST_PAUSE)) {
    await setTimeout(pause, undefined, { signal });
    const version = await kms.getVersion(name, signal);
    checkVersion(version);
    if (version.state !== PENDING) return;
  }
}

function checkVersion(version: KeyVersion): void {
  checkAlgorithm(version.algorithm);
  const refused = STATES[String(version.state)];
  if (!refused) return;
  const [code, remedy] = refused;
  const reason = version.importFailureReason || version.generationFailureReason;
  throw new SignerError(code, `The key version is ${version.state}${reason ? ` (${reason})` : ""}. ${remedy}`);
}

function numberOf({ name }: KeyVersion): number {
  return Number(idOf(name ?? ""));
}
