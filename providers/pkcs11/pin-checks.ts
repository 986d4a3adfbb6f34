/** The checks of `hardproof doctor` for a PIN: what the token reports about earlier attempts, and where the PIN comes from. */
import type { Finding } from "../../src/keystore/finding.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_INITIALIZED,
  CKF_USER_PIN_LOCKED,
} from "./constants.js";

/**
 * Checks what the token reports about the PIN. PKCS#11 doesn't count attempts: a token reports only that there were wrong
 * ones, that one is left, or that the PIN is locked.
 *
 * @param flags - The flags of `CK_TOKEN_INFO`.
 */
export function checkPinState(flags: number): Finding {
  const check = "PIN state";
  const is = (flag: number) => (flags & flag) !== 0;
  const bad = (found: string, remedy: string) => ({ check, ok: false, found, remedy });
  if (is(CKF_USER_PIN_LOCKED)) return bad("locked", "The security officer must unlock it.");
  if (is(CKF_USER_PIN_FINAL_TRY))
    return bad(
      "one attempt is left",
      "A login with the right PIN by the vendor's tool allows more tries again. In code, you can set the option forceLogin.",
    );
  if (!is(CKF_LOGIN_REQUIRED)) return { check, ok: true, found: "the token doesn't require a login" };
  if (!is(CKF_USER_PIN_INITIALIZED))
    return bad("the token doesn't have a user PIN yet", "Set one with the vendor's tool.");
  if (is(CKF_USER_PIN_COUNT_LOW))
    return { check, ok: null, found: "the token reports that a wrong PIN was tried since the last login" };
  const pinPad = is(CKF_PROTECTED_AUTHENTICATION_PATH) ? "; the user enters it at the token" : "";
  // Not every token sets the flags of a wrong PIN.
  return { check, ok: true, found: `not locked; the token doesn't report a wrong PIN${pinPad}` };
}
