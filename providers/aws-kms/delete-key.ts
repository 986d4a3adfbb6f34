/** Schedules the deletion of a key in AWS KMS, which can't delete a key at once (KMS Developer Guide, "Delete an AWS KMS key"). */
import { SignerError } from "../../src/errors.js";
import type { DeletedKey } from "../../src/keystore/provider.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { jwsAlgorithmsOf, KEY_SPECS, KEY_USAGE } from "./algorithms.js";
import type { AwsKmsClient, KeyMetadata } from "./client.js";
import { isArnOf, parseKeyName } from "./key-name.js";

/** Days. The shortest and the longest waiting period, of which the longest is the default. */
const [MIN_DAYS, MAX_DAYS] = [7, 30];

/**
 * Schedules the deletion of the key that is named. Its aliases are deleted with it.
 *
 * @param days - The waiting period, 7 to 30. Default: 30.
 * @param toUri - Returns the URI of a key ARN.
 * @throws {SignerError} With code `wrong-key` if the key doesn't sign; `misconfigured` if it is scheduled for deletion already.
 */
export async function scheduleDeletion(
  client: AwsKmsClient,
  keyId: string,
  { days = MAX_DAYS, toUri }: { readonly days?: number | undefined; toUri(keyArn: string): string },
  signal: AbortSignal,
): Promise<DeletedKey> {
  if (!(Number.isInteger(days) && days >= MIN_DAYS && days <= MAX_DAYS))
    throw misconfigured(`pendingWindowInDays must be a whole number from ${MIN_DAYS} to ${MAX_DAYS}.`);
  const name = parseKeyName(keyId);
  const key = await client.findKey(keyId, signal);
  const keyArn = key?.Arn;
  if (!keyArn || !isArnOf(name, keyArn))
    throw new SignerError("integrity", `DescribeKey for ${keyId} returned ${keyArn ?? "no key"}.`);
  checkDeletable(key);
  const { DeletionDate, KeyState } = await schedule(client, keyArn, days, signal);
  const restore = `Until then, aws kms cancel-key-deletion --key-id ${keyArn} restores it, disabled.`;
  if (DeletionDate) return { uri: toUri(keyArn), destroyedAt: DeletionDate, note: restore };
  // The waiting period of a multi-Region primary key begins when its last replica is deleted.
  const note = `It is ${KeyState}: the ${days} days begin when its replicas in other regions are deleted. ${restore}`;
  return { uri: toUri(keyArn), destroyedAt: "unknown", note };
}

/**
 * Sends the request, which the SDK repeats if its response is lost. The repeated one fails because the key is pending deletion, so
 * the state of the key decides.
 */
async function schedule(
  client: AwsKmsClient,
  keyArn: string,
  days: number,
  signal: AbortSignal,
): Promise<Pick<KeyMetadata, "DeletionDate" | "KeyState">> {
  try {
    return await client.scheduleKeyDeletion(keyArn, days, signal);
  } catch (error) {
    const key = await client.describeKey(keyArn, signal).catch(() => undefined);
    if (key && isPending(key)) return key;
    throw error;
  }
}

function isPending({ KeyState }: KeyMetadata): boolean {
  return KeyState === "PendingDeletion" || KeyState === "PendingReplicaDeletion";
}

function checkDeletable(key: KeyMetadata): void {
  const { Arn, DeletionDate, KeySpec } = key;
  if (isPending(key)) {
    const date = DeletionDate ? `, on ${DeletionDate.toISOString()}` : "";
    throw misconfigured(`${Arn} is scheduled for deletion already${date}.`);
  }
  if (jwsAlgorithmsOf(key).length > 0) return;
  const message = `${Arn} is a key of the spec ${KeySpec} that Hardproof doesn't sign with. It wasn't deleted.`;
  throw new SignerError("wrong-key", `${message} Keys to delete are for ${KEY_USAGE}: ${KEY_SPECS.join(", ")}.`);
}
