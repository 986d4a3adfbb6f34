/** Decides which errors can be recovered from, and what the next step is. */
import { SignerError } from "../../src/errors.js";
import { returnValue } from "./return-values.js";
import { TokenNotFound } from "./token.js";

/** Return values that result from the request itself: a recovery can't change them. */
const FINAL = new Set(
  `
  ARGUMENTS_BAD ATTRIBUTE_READ_ONLY ATTRIBUTE_SENSITIVE ATTRIBUTE_TYPE_INVALID ATTRIBUTE_VALUE_INVALID
  ACTION_PROHIBITED BUFFER_TOO_SMALL CANT_LOCK CURVE_NOT_SUPPORTED DATA_INVALID DATA_LEN_RANGE
  DOMAIN_PARAMS_INVALID FUNCTION_CANCELED FUNCTION_NOT_SUPPORTED FUNCTION_REJECTED KEY_FUNCTION_NOT_PERMITTED
  KEY_SIZE_RANGE KEY_TYPE_INCONSISTENT MECHANISM_INVALID MECHANISM_PARAM_INVALID PIN_EXPIRED PIN_INCORRECT
  PIN_INVALID PIN_LEN_RANGE PIN_LOCKED SESSION_COUNT SESSION_READ_ONLY TEMPLATE_INCOMPLETE TEMPLATE_INCONSISTENT
  TOKEN_WRITE_PROTECTED USER_ANOTHER_ALREADY_LOGGED_IN USER_PIN_NOT_INITIALIZED USER_TOO_MANY_TYPES
  USER_TYPE_INVALID
  `
    .trim()
    .split(/\s+/)
    .map((name) => `CKR_${name}`),
);

/** Return values after which opening the key again can't help until the library is initialised again. */
const LIBRARY_LOST = new Set(["CKR_CRYPTOKI_NOT_INITIALIZED", "CKR_SLOT_ID_INVALID"]);

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
 * @param isNew - Whether the key was never open before.
 * @param isRetry - Whether a recovery step was already taken for this request.
 */
export function recoveryStepFor(
  error: unknown,
  { isNew, isRetry }: { isNew: boolean; isRetry: boolean },
): RecoveryStep {
  if (isNew && error instanceof TokenNotFound) return isRetry ? "none" : "refresh";
  if (!isNew && !isRetry && mayBeStaleHandle(error)) return "reopen";
  if (!isRecoverable(error, !isNew || isRetry)) return "none";
  return isRetry || needsRestart(error) ? "restart" : "reopen";
}

/**
 * Returns whether opening the key again can help. It can after any return value that isn't final, including those that a
 * vendor defines; and if a token or key is missing that was there before.
 */
function isRecoverable(error: unknown, wasOpen: boolean): boolean {
  const name = returnValue(error);
  if (name !== undefined) return !FINAL.has(name);
  return wasOpen && error instanceof SignerError && (error.code === "key-not-found" || error.code === "unavailable");
}

/** Returns whether the handle may refer to a different object, because another part of the process restarted the library. */
function mayBeStaleHandle(error: unknown): boolean {
  return /^CKR_KEY_(FUNCTION_NOT_PERMITTED|TYPE_INCONSISTENT)$/.test(returnValue(error) ?? "");
}

/** Returns whether only initialising the library again can help. */
export function needsRestart(error: unknown): boolean {
  return error instanceof TokenNotFound || LIBRARY_LOST.has(returnValue(error) ?? "");
}
