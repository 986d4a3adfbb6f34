/** The keys of an account in a region that can sign. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { findAlgorithm, isAvailable } from "../../src/jose/find-algorithm.js";
import { jwsAlgorithmsOf } from "./algorithms.js";
import type { AwsKmsClient, KeyMetadata } from "./client.js";
import { parseKeyName } from "./key-name.js";

/** The most concurrent DescribeKey requests. Each has two listeners on the call's signal, and Node warns of more than 10. */
const CONCURRENCY = 4;

/** An enabled key. */
export interface ListedKey {
  readonly arn: string;
  readonly region: string | undefined;
  /** Returns the algorithms that the key can sign with and this version of Node has, or only the requested one. */
  algorithmsFor(requested?: AlgorithmName): AlgorithmName[];
}

/**
 * Returns the enabled keys that the caller may describe.
 *
 * @throws {SignerError} With code `access-denied` if the caller may not describe any key.
 */
export async function describedKeys(client: AwsKmsClient, signal: AbortSignal): Promise<ListedKey[]> {
  const results: (KeyMetadata | SignerError)[] = [];
  for await (const page of client.keyPages(signal))
    results.push(...(await describeAll(client, page.filter(isParsable), signal)));
  const keys = results.flatMap((result) => (result instanceof SignerError ? [] : result));
  const denied = results.find((result) => result instanceof SignerError && result.code === "access-denied");
  if (denied && keys.length === 0) throw denied;
  return keys.filter(({ KeyState }) => KeyState === "Enabled").map(listedKey);
}

function listedKey(key: KeyMetadata): ListedKey {
  const { Arn: arn = "" } = key;
  const algorithmsFor = (requested?: AlgorithmName) =>
    jwsAlgorithmsOf(key)
      .filter((row) => isAvailable(row) && (requested === undefined || row === findAlgorithm(requested)))
      .map(({ alg }) => alg);
  return { arn, region: parseKeyName(arn).region, algorithmsFor };
}

/** One key that can't be parsed must not hide the others. */
function isParsable(keyArn: string): boolean {
  try {
    parseKeyName(keyArn);
    return true;
  } catch (error) {
    const reason = error instanceof SignerError ? error.message : "";
    process.emitWarning(`ListKeys of AWS KMS returned a key that was left out: ${reason}`, {
      code: "HARDPROOF_SKIPPED_KEY",
    });
    return false;
  }
}

/** Describes some keys at a time, and returns the results in the order of the keys. */
async function describeAll(
  client: AwsKmsClient,
  keyArns: readonly string[],
  signal: AbortSignal,
): Promise<(KeyMetadata | SignerError)[]> {
  const results: (KeyMetadata | SignerError)[] = [];
  const rest = keyArns.entries();
  const describeRest = async () => {
    for (const [index, keyArn] of rest) results[index] = await describeOrSkip(client, keyArn, signal);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, describeRest));
  return results;
}

/** Returns the error if the key's policy hides it, if it was deleted, or if it isn't visible everywhere yet. */
async function describeOrSkip(
  client: AwsKmsClient,
  keyArn: string,
  signal: AbortSignal,
): Promise<KeyMetadata | SignerError> {
  try {
    return await client.describeKey(keyArn, signal);
  } catch (error) {
    const isHidden = error instanceof SignerError && ["access-denied", "key-not-found"].includes(error.code);
    if (isHidden) return error;
    throw error;
  }
}
