/** Logs in to a token, in a worker. The parent thread reads the PIN, and remembers which PINs were wrong. */
import { SignerError } from "../../src/errors.js";
import type { Cryptoki, Handle } from "./binding.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKS_RO_USER_FUNCTIONS,
  CKS_RW_USER_FUNCTIONS,
  CKU_CONTEXT_SPECIFIC,
  CKU_USER,
} from "./constants.js";
import type { KeySpec, LoginOutcome, Question, Reply } from "./protocol.js";
import { returnValue } from "./return-values.js";
import type { Token } from "./token.js";

/** What a login needs of its worker. */
export interface LoginContext {
  readonly lib: Cryptoki;
  /** Asks the parent thread for a PIN. @throws {SignerError} If there is none, or the PIN was wrong before. */
  ask(question: Omit<Extract<Question, { ask: "pin" }>, "ask">): Reply;
  /** Reports the outcome of an attempt to the parent thread. */
  report(outcome: LoginOutcome): void;
}

interface Login {
  /** The request's id. */
  readonly id: number;
  readonly spec: KeySpec;
  readonly session: Handle;
  readonly token: Token;
}

const WRONG_PIN = new Set(["CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"]);

/**
 * Logs in to the token, for all sessions of this process.
 *
 * @param again - Whether the token has just reported that no user is logged in. The session's state is ignored then.
 * @throws {SignerError} With code `pin-required`, `pin-incorrect` or `pin-locked`.
 */
export function logIn(context: LoginContext, login: Login, again: boolean): void {
  const { token, spec, session } = login;
  if ((token.flags & CKF_LOGIN_REQUIRED) === 0 && !spec.hasPin) return;
  checkPinFlags(token.flags, spec);
  const { state } = context.lib.C_GetSessionInfo(session);
  const loggedIn = !again && (state === CKS_RO_USER_FUNCTIONS || state === CKS_RW_USER_FUNCTIONS);
  attemptLogin(context, login, CKU_USER, loggedIn);
}

/**
 * Logs in for one signature with a key that has `CKA_ALWAYS_AUTHENTICATE`.
 *
 * @throws {SignerError} With code `pin-required`, `pin-incorrect` or `pin-locked`.
 */
export function authenticate(context: LoginContext, login: Login): void {
  checkPinFlags(context.lib.C_GetTokenInfo(login.token.slot).flags, login.spec);
  attemptLogin(context, login, CKU_CONTEXT_SPECIFIC, false);
}

function checkPinFlags(flags: number, { forceLogin }: KeySpec): void {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0)
    throw new SignerError("pin-locked", "The token's PIN is locked. The security officer must unlock it.");
  if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0 && !forceLogin)
    throw new SignerError(
      "pin-locked",
      "One more wrong PIN locks the token. If you are sure of the PIN, set forceLogin.",
    );
}

function attemptLogin(
  { lib, ask, report }: LoginContext,
  { id, session, token }: Login,
  user: number,
  loggedIn: boolean,
) {
  const hasPinPad = (token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) !== 0;
  const question = { id, token: JSON.stringify([token.label, token.serial]), hasPinPad, loggedIn };
  const { login } = ask(question);
  if (!login) return;
  try {
    lib.C_Login(session, user, login.pin);
    report("accepted");
  } catch (error) {
    const value = returnValue(error) ?? "";
    report(WRONG_PIN.has(value) ? "rejected" : "unknown");
    if (value !== "CKR_USER_ALREADY_LOGGED_IN") throw error;
    // Another login came first, so the token hasn't checked this PIN. The parent thread compares it with the other one.
    if (!hasPinPad) ask({ ...question, loggedIn: true });
  }
}
