/** The checks of `hardproof doctor` for a PIN: what the token reports about earlier attempts, and where the PIN comes from. */
import { stat } from "node:fs/promises";
import { checkPermissions } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { readSecretFile, trimSecret } from "../../src/keystore/secret-source.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_INITIALIZED,
  CKF_USER_PIN_LOCKED,
} from "./constants.js";
import { type PinSource, pinProblem } from "./pin.js";

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
    return bad("one attempt is left", "Make sure that the PIN is right, then set forceLogin.");
  if (!is(CKF_LOGIN_REQUIRED)) return { check, ok: true, found: "the token doesn't require a login" };
  if (!is(CKF_USER_PIN_INITIALIZED))
    return bad("the token doesn't have a user PIN yet", "Set one with the vendor's tool.");
  if (is(CKF_USER_PIN_COUNT_LOW)) return { check, ok: null, found: "a wrong PIN was tried since the last login" };
  const pinPad = is(CKF_PROTECTED_AUTHENTICATION_PATH) ? "; the user enters it at the token" : "";
  return { check, ok: true, found: `no wrong PIN since the last login${pinPad}` };
}

/** Checks that the PIN can be read, and that other users can't read its file. Doesn't call a function. */
export async function checkPinSource(pin: PinSource | undefined): Promise<Finding> {
  const check = "PIN source";
  if (pin === undefined) return { check, ok: null, found: "none" };
  if (typeof pin === "string")
    return { check, ok: null, found: "the PIN itself: use a pin-source to keep it out of logs and process lists" };
  if (typeof pin === "function") return { check, ok: null, found: "a function" };
  return "env" in pin ? checkVariable(check, pin.env) : checkFile(check, pin.file);
}

function checkVariable(check: string, name: string): Finding {
  const value = process.env[name];
  const found = `the environment variable ${name}`;
  if (!value) return { check, ok: false, found: `${found} is not set`, remedy: "Set it to the PIN." };
  const problem = pinProblem(trimSecret(value));
  if (problem) return { check, ok: false, found: `${found} ${problem}`, remedy: "Set it to the PIN." };
  return { check, ok: true, found: `${found} is set` };
}

async function checkFile(check: string, path: string): Promise<Finding> {
  const remedy = "Write the PIN to it, and allow only this user to read it.";
  const file = await stat(path).catch(() => undefined);
  // Reading a pipe could wait for its writer, even with --no-login.
  if (file && !file.isFile() && !file.isDirectory()) return { check, ok: null, found: `${path} is not a regular file` };
  const content = await readSecretFile(path).catch(() => undefined);
  if (!file || content === undefined) return { check, ok: false, found: `${path} can't be read`, remedy };
  const problem = pinProblem(trimSecret(content));
  if (problem) return { check, ok: false, found: `${path} ${problem}`, remedy };
  return checkPermissions({ check, secret: "PIN", path, mode: file.mode });
}
