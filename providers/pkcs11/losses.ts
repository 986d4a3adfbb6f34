/** What a token says when it, a session, the login or the handles were lost, and how far the way back is. */
import { returnValue, toSignerError } from "./client.js";
import { LibraryRestarted } from "./module.js";

/** The last step of the way back: the whole library anew. */
export const LAST_STEP = 3;

/** The first step that can help: 0 new sessions, 1 a login as well, 2 the handles found again, 3 the library restarted. */
const LOSSES: Readonly<Record<string, number>> = {
  CKR_SESSION_HANDLE_INVALID: 0,
  CKR_SESSION_CLOSED: 0,
  CKR_OPERATION_ACTIVE: 0,
  CKR_OPERATION_NOT_INITIALIZED: 0,
  CKR_USER_NOT_LOGGED_IN: 1,
  CKR_OBJECT_HANDLE_INVALID: 2,
  CKR_KEY_HANDLE_INVALID: 2,
  CKR_DEVICE_REMOVED: 0,
  CKR_TOKEN_NOT_PRESENT: 0,
  CKR_TOKEN_NOT_RECOGNIZED: 0,
  CKR_DEVICE_ERROR: 0,
  CKR_GENERAL_ERROR: 0,
  CKR_FUNCTION_FAILED: 0,
  CKR_SLOT_ID_INVALID: LAST_STEP,
  CKR_CRYPTOKI_NOT_INITIALIZED: LAST_STEP,
};

/** @returns the index of the first step that can help; `undefined` for what no step mends */
export function heightOf(error: unknown): number | undefined {
  if (error instanceof LibraryRestarted) return LAST_STEP;
  return LOSSES[returnValue(error) ?? ""];
}

/** A wrong PIN, another key: going on would only do harm. A token or key that is not there may yet come back. */
export function isFinal(error: unknown): boolean {
  if (heightOf(error) !== undefined) return false;
  const known = toSignerError(error, "");
  return known instanceof Error && "retryable" in known && !known.retryable && codeOf(known) !== "key-not-found";
}

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}
