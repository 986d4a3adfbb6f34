/** Logs in to a token, in a worker. The parent thread decides whether to, with which PIN, and remembers wrong ones. */
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
import type { KeySpec, LoginQuestion } from "./protocol.js";
import { Pkcs11Error, toSignerError } from "./return-values.js";
import type { Token } from "./token.js";

/** What the parent thread may do in the worker while it decides on a login. */
export interface LoginSession {
  isLoggedIn(): boolean;
  login(pin: string | undefined): void;
}

/** Asks the parent thread, which logs in to the session if that is needed. Returns the return value of `C_Login`. */
export type AskForLogin = (question: LoginQuestion, session: LoginSession) => Promise<number>;

/** The session to log in, and the key that it is for. */
export interface LoginTarget {
  readonly spec: KeySpec;
  readonly session: Handle;
  readonly token: Token;
}

/**
 * Logs in to the token, for all sessions of this process.
 *
 * @param lostAt - When the token reported that no user is logged in. The session's state is ignored then.
 * @throws {SignerError} With code `pin-required`, `pin-incorrect` or `pin-locked`.
 */
export async function logIn(lib: Cryptoki, ask: AskForLogin, target: LoginTarget, lostAt?: bigint): Promise<void> {
  const { token, spec } = target;
  if ((token.flags & CKF_LOGIN_REQUIRED) === 0 && !spec.hasPin) return;
  checkPinFlags(token.flags, spec);
  await askParent(lib, ask, target, CKU_USER, lostAt);
}

/**
 * Logs in for one signature with a key that has `CKA_ALWAYS_AUTHENTICATE`.
 *
 * @throws {SignerError} With code `pin-required`, `pin-incorrect` or `pin-locked`.
 */
export async function authenticate(lib: Cryptoki, ask: AskForLogin, target: LoginTarget): Promise<void> {
  checkPinFlags(lib.C_GetTokenInfo(target.token.slot).flags, target.spec);
  await askParent(lib, ask, target, CKU_CONTEXT_SPECIFIC);
}

const CKR_PIN_INCORRECT = 0xa0;
const LAST_TRY = "One more wrong PIN locks the token.";

function checkPinFlags(flags: number, { forceLogin }: KeySpec): void {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0)
    throw new SignerError("pin-locked", "The token's PIN is locked. The security officer must unlock it.");
  if ((flags & CKF_USER_PIN_FINAL_TRY) === 0 || forceLogin) return;
  const remedy = "A login with the right PIN by the vendor's tool allows more tries again.";
  throw new SignerError("pin-locked", `${LAST_TRY} ${remedy} In code, you can set the option forceLogin.`);
}

async function askParent(
  lib: Cryptoki,
  ask: AskForLogin,
  { session, spec, token: { label, serial, flags, slot } }: LoginTarget,
  user: number,
  lostAt?: bigint,
): Promise<void> {
  const hasPinPad = (flags & CKF_PROTECTED_AUTHENTICATION_PATH) !== 0;
  const forSignature = user === CKU_CONTEXT_SPECIFIC;
  const question = { token: JSON.stringify([label, serial]), hasPinPad, forSignature, lostAt };
  const value = await ask(question, {
    isLoggedIn: () => isLoggedIn(lib, session),
    login: (pin) => lib.C_Login(session, user, pin),
  });
  if (value === CKR_PIN_INCORRECT) throw wrongPin(flagsOf(lib, slot), hasPinPad && !spec.hasPin);
  if (value !== 0) throw new Pkcs11Error(value);
}

/** PKCS#11 doesn't count attempts: a token reports only that one is left, or none. */
function wrongPin(flags: number, wasEnteredAtToken: boolean): SignerError {
  const cause = new Pkcs11Error(CKR_PIN_INCORRECT);
  const { message } = toSignerError(cause, "logging in") as SignerError;
  const problem = wasEnteredAtToken ? `${cause.message}: the PIN that was entered at the token is wrong.` : message;
  return new SignerError("pin-incorrect", [problem, ...attemptsLeft(flags)].join(" "), { cause });
}

function attemptsLeft(flags: number): string[] {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0) return ["The PIN is locked now: the security officer must unlock it."];
  return (flags & CKF_USER_PIN_FINAL_TRY) === 0 ? [] : [LAST_TRY];
}

/** The token may have been removed since. */
function flagsOf(lib: Cryptoki, slot: Handle): number {
  try {
    return lib.C_GetTokenInfo(slot).flags;
  } catch {
    return 0;
  }
}

/** If the state can't be read, `C_Login` returns the reason. */
function isLoggedIn(lib: Cryptoki, session: Handle): boolean {
  try {
    const { state } = lib.C_GetSessionInfo(session);
    return state === CKS_RO_USER_FUNCTIONS || state === CKS_RW_USER_FUNCTIONS;
  } catch {
    return false;
  }
}
