/** Describes a token for `keys --tokens`, by its fields and flags (PKCS #11 v2.40 §3.2, `CK_TOKEN_INFO`). */
import type { StoreToken } from "../../src/keystore/provider.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_INITIALIZED,
  CKF_USER_PIN_LOCKED,
  CKF_WRITE_PROTECTED,
} from "./constants.js";
import type { TokenSelector } from "./token.js";
import type { InspectedToken } from "./token-inspection.js";

/** @param uriOf - Returns the URI that selects a token. */
export function storeToken(token: InspectedToken, uriOf: (token: TokenSelector) => string): StoreToken {
  const { label, serial, manufacturer, model, firmware, slotId: slot, flags, protection, software } = token;
  const is = (flag: number) => (flags & flag) !== 0;
  const hasName = label !== "" || serial !== "";
  return {
    uri: uriOf(hasName ? { label: label || undefined, serial: serial || undefined } : { slot }),
    ...{ label, serial, manufacturer, model, firmware, slot },
    initialized: is(CKF_TOKEN_INITIALIZED),
    loginRequired: is(CKF_LOGIN_REQUIRED),
    pin: pinState(is),
    pinPad: is(CKF_PROTECTED_AUTHENTICATION_PATH),
    writeProtected: is(CKF_WRITE_PROTECTED),
    ...{ protection, software },
  };
}

function pinState(is: (flag: number) => boolean): StoreToken["pin"] {
  if (is(CKF_USER_PIN_LOCKED)) return "locked";
  if (is(CKF_USER_PIN_FINAL_TRY)) return "final-try";
  if (!is(CKF_USER_PIN_INITIALIZED)) return "not-set";
  return is(CKF_USER_PIN_COUNT_LOW) ? "low" : "set";
}
