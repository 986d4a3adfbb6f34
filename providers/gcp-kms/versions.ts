/** Chooses the version of a key, checks its state and algorithm, and waits while it is being generated. */
import { setTimeout } from "node:timers/promises";
import { SignerError } from "../../src/errors.js";
import type { ErrorRow } from "../../src/keystore/error-table.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { oneLine } from "../../src/keystore/one-line.js";
import { jwsAlgorithmOf } from "./algorithms.js";
import type { GcpKmsClient, KeyVersion } from "./client.js";
import { mayDependOnVersionState } from "./errors.js";
import { idOf } from "./resource-name.js";

/** The state of a version that can sign. */
export const ENABLED = "ENABLED";
const PENDING = "PENDING_GENERATION";

/** The states in which a version can't sign, and what to do. */
const STATES: Readonly<Record<string, ErrorRow>> = {
  DISABLED: ["access-denied", "Enable it, or use another version."],
  DESTROY_SCHEDULED: ["access-denied", "Restore and enable it before it is destroyed, or use another version."],
  DESTROYED: ["key-not-found", "Its key material is destroyed. Use another version."],
  PENDING_IMPORT: ["key-not-found", "Import its key material, or use another version."],
  IMPORT_FAILED: ["key-not-found", "Import its key material again, or use another version."],
  GENERATION_FAILED: ["key-not-found", "Create another version."],
  PENDING_EXTERNAL_DESTRUCTION: ["key-not-found", "Its key material is being destroyed. Use another version."],
  EXTERNAL_DESTRUCTION_FAILED: [
    "key-not-found",
    "Its key material was scheduled for destruction. Use another version.",
  ],
};

/**
 * Milliseconds between two reads of a version that is being generated. The pause doubles each time, up to the maximum.
 */
const FIRST_PAUSE = 100;
const MAX_PAUSE = 2_000;
/** Characters of the service's reason for a failure. */
const MAX_REASON = 400;

/**
 * Returns the full name of the newest enabled version, or else of the newest version that is being generated.
 *
 * @throws {SignerError} With code `key-not-found` if the key doesn't have such a version.
 */
export async function newestVersion(client: GcpKmsClient, key: string, signal: AbortSignal): Promise<string> {
  const versions = (await client.listVersions(key, signal)).sort((a, b) => numberOf(b) - numberOf(a));
  const inState = (state: string) => versions.find((version) => version.state === state);
  const newest = inState(ENABLED) ?? inState(PENDING);
  if (newest?.name) return newest.name;
  const states = versions.map((version) => `version ${numberOf(version)} is ${version.state}`);
  const found = states.join(", ") || "it doesn't have any";
  const message = `The key doesn't have an enabled version (${found}). Enable a version, or create one.`;
  throw new SignerError("key-not-found", message);
}

/**
 * Runs work with a version. If the service rejects the version, reads its state and algorithm to find out why. If the
 * version is still being generated, waits for it. If the version can be used after all, runs the work once more.
 *
 * @throws {SignerError} With code `wrong-key`, `access-denied` or `key-not-found`. The message contains the state or
 *   the algorithm.
 */
export async function withUsableVersion<T>(
  client: GcpKmsClient,
  name: string,
  options: OpenKeyOptions,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!mayDependOnVersionState(error)) throw error;
    const { signal } = options;
    // The permission to sign doesn't include the one to read the state. In that case, report the service's own error.
    const version = await client.getVersion(name, signal).catch(() => {
      throw error;
    });
    checkVersion(version);
    if (version.state === PENDING) await waitUntilGenerated(client, name, signal);
    return work();
  }
}

/** Waits until the version is generated. Rejects if the signal aborts. */
async function waitUntilGenerated(client: GcpKmsClient, name: string, signal: AbortSignal): Promise<void> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, MAX_PAUSE)) {
    await setTimeout(pause, undefined, { signal });
    const version = await client.getVersion(name, signal);
    checkVersion(version);
    if (version.state !== PENDING) return;
  }
}

/** @throws {SignerError} If the version can't sign, and won't soon. */
function checkVersion(version: KeyVersion): void {
  const problem = versionProblem(version);
  if (problem) throw problem;
}

/** Returns why a version can't sign and won't soon, or `undefined`. */
export function versionProblem(version: KeyVersion): SignerError | undefined {
  try {
    jwsAlgorithmOf(version.algorithm);
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  const row = STATES[String(version.state)];
  if (!row) return undefined;
  const [code, remedy] = row;
  const reason = oneLine(version.importFailureReason || version.generationFailureReason || "", MAX_REASON);
  return new SignerError(code, `The key version is ${version.state}${reason ? ` (${reason})` : ""}. ${remedy}`);
}

function numberOf({ name }: KeyVersion): number {
  return Number(idOf(name ?? ""));
}
