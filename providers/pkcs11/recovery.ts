/** Decides which errors can be recovered from, and what the next step is. */
import { SignerError } from "../../src/errors.js";
import { returnValue, toSignerError } from "./return-values.js";
import { TokenNotFound } from "./token.js";

/**
 * The next step of a recovery.
 *
 * - `reopen`: Open the key again.
 * - `restart`: Restart the library first.
 * - `refresh`: Restart it to find a missing token: some libraries read their tokens only when they are initialised.
 * - `none`: The error is final.
 */
export type RecoveryStep = "reopen" | "restart" | "refresh" | "none";

/**
 * Returns the step to take before the next attempt.
 *
 * @param wasOpen - Whether the key has been open before.
 * @param isRetry - Whether a recovery step was already taken for this request.
 */
export function recoveryStepFor(error: unknown, wasOpen: boolean, isRetry: boolean): RecoveryStep {
  if (!wasOpen && error instanceof TokenNotFound) return isRetry ? "none" : "refresh";
  if (wasOpen && !isRetry && mayBeStaleHandle(error)) return "reopen";
  if (!isRecoverable(error, wasOpen || isRetry)) return "none";
  return isRetry || needsRestart(error) ? "restart" : "reopen";
}

/** Returns whether only initialising the library again can help. */
export function needsRestart(error: unknown): boolean {
  return error instanceof TokenNotFound || /CRYPTOKI_NOT_INITIALIZED|SLOT_ID_INVALID/.test(returnValue(error) ?? "");
}

/** After any return value that may pass, including a vendor's; and if a token or key is missing that was there before. */
function isRecoverable(error: unknown, wasOpen: boolean): boolean {
  if (returnValue(error) === "CKR_USER_NOT_LOGGED_IN") return true;
  const signerError = toSignerError(error, "");
  if (!(signerError instanceof SignerError)) return false;
  if (returnValue(error) !== undefined) return signerError.code === "unavailable";
  return wasOpen && (signerError.code === "key-not-found" || signerError.code === "unavailable");
}

/** Returns whether the handle may refer to a different object, because another part of the process restarted the library. */
function mayBeStaleHandle(error: unknown): boolean {
  return /^CKR_KEY_(FUNCTION_NOT_PERMITTED|TYPE_INCONSISTENT)$/.test(returnValue(error) ?? "");
}
