/** The keys of an account in a region that can sign. */
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { findAlgorithm, isAvailable } from "../../src/jose/find-algorithm.js";
import { readableKeys } from "../../src/keystore/readable-keys.js";
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
 * Yields the enabled keys that the caller may describe, page by page. Omits keys that were deleted or aren't visible everywhere
 * yet.
 *
 * @throws {SignerError} With code `access-denied` if the caller may not describe any key.
 */
export async function* describedKeys(client: AwsKmsClient, part: Deadline): AsyncGenerator<ListedKey[]> {
  const read = (keyArn: string) => client.describeKey(keyArn, part.signal);
  for await (const keys of readableKeys(parsableArns(client, part), { concurrency: CONCURRENCY, read }))
    yield keys.filter(({ KeyState }) => KeyState === "Enabled").map(listedKey);
}

async function* parsableArns(client: AwsKmsClient, part: Deadline): AsyncGenerator<string[]> {
  for await (const keyArns of client.keyPages(part)) yield keyArns.filter(isParsable);
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
