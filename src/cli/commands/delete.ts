/** `hardproof delete`: deletes a key from its store, or schedules its deletion. */
import type { Command } from "commander";
import { type DeletedKey, deleteKey } from "../../index.js";
import { confirmDeletion } from "../confirmation.js";
import { type Context, newCommand } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { type TimeoutOption, withTimeoutOption } from "../timeout-option.js";

interface DeleteOptions extends TimeoutOption {
  yes?: true;
  days?: number;
}

/** AWS KMS API reference, `ScheduleKeyDeletion`. */
const [MIN_DAYS, MAX_DAYS] = [7, 30];

/** Returns the command `delete`. */
export function deleteCommand(context: Context): Command {
  const { io, output, secrets } = context;
  const command = newCommand(
    "delete",
    "delete a key from its store, or schedule its deletion where the store does that",
  )
    .argument("<uri>", "URI of the key: HARDPROOF_KEY isn't used")
    .option("--yes", "don't ask for the key's name as confirmation")
    .option("--days <number>", `awskms: only: waiting period, ${MIN_DAYS} to ${MAX_DAYS} (default: 30)`, parseDays);
  return withTimeoutOption(command, "store").action(async (uri: string, { yes, days, timeout }: DeleteOptions) => {
    if (days !== undefined && !uri.startsWith("awskms:"))
      throw new UsageError("--days is for keys in AWS KMS (awskms:). Other stores have a fixed period, or none.");
    await confirmDeletion(uri, yes, context);
    const deleted = await secrets.with(uri, (secret) =>
      deleteKey(uri, { timeout, signal: io.signal, pendingWindowInDays: days, ...secret }),
    );
    const { destroyedAt, note } = deleted;
    output.document({ uri: deleted.uri, deleted: destroyedAt === null, destroyedAt, note });
    output.line(deleted.uri);
    output.note(resultOf(destroyedAt));
    if (note !== undefined) output.note(note);
  });
}

/** What happened. Whether the key can be restored is in the note of the store, if it is known. */
function resultOf(destroyedAt: DeletedKey["destroyedAt"]): string {
  if (destroyedAt === null) return "The key is deleted.";
  if (destroyedAt === "unknown")
    return "The key can't sign any more. The store doesn't report when it will be destroyed.";
  return `The key can't sign any more. It will be destroyed on ${destroyedAt.toISOString()}.`;
}

function parseDays(value: string): number {
  const days = Number(value);
  if (/^\d{1,2}$/.test(value) && days >= MIN_DAYS && days <= MAX_DAYS) return days;
  throw new UsageError(`--days must be a whole number from ${MIN_DAYS} to ${MAX_DAYS}.`);
}
