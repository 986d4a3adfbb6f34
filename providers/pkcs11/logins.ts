/**
 * Decides on the workers' logins: one at a time for each token, and never with a PIN that was wrong before. A token counts
 * the wrong PINs of all workers together.
 */
import { untilAborted } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { fingerprintOf } from "../../src/keystore/pin-fingerprint.js";
import type { LoginQuestion } from "./protocol.js";

/** A key that the login is for. */
interface LoginKey {
  /** Reads the PIN. `undefined` for a token that needs no login, or has a PIN pad. */
  readonly readPin: (() => Promise<string>) | undefined;
}

const CKR_OK = 0;
const CKR_USER_ALREADY_LOGGED_IN = 0x100;
/** `CKR_PIN_INCORRECT`, `CKR_PIN_INVALID` and `CKR_PIN_LEN_RANGE`. */
const WRONG_PIN = [0xa0, 0xa1, 0xa2];

/** Fingerprints of PINs that a token has rejected. */
const rejectedPins = new Set<string>();
/** By token: the last time that a worker found it logged in, and the fingerprint of the PIN that logged it in. */
const logins = new Map<string, { at: bigint; fingerprint: string | undefined }>();
/** Keys whose PIN a token has accepted. */
const keysWithAcceptedPin = new WeakSet<LoginKey>();
/** By token: settles when the last login in the queue has ended. */
const turns = new Map<string, Promise<unknown>>();

/** The session to log in, which is in a worker. */
interface WorkerSession {
  isLoggedIn(): Promise<boolean>;
  /** Calls `C_Login`, and returns its return value. */
  login(pin: string | undefined): Promise<number>;
}

/**
 * Waits until no other login to the token is in progress, reads the PIN, and lets the worker attempt the login.
 *
 * @returns The return value of `C_Login`; 0 if no login is needed.
 * @throws {SignerError} With code `pin-required` or `pin-incorrect`; `aborted` if `signal` aborts before the attempt.
 */
export async function decideLogin(
  question: LoginQuestion,
  key: LoginKey,
  signal: AbortSignal | undefined,
  session: WorkerSession,
): Promise<number> {
  const { token, hasPinPad } = question;
  if (keysWithAcceptedPin.has(key) && (await isLoggedIn(question, session))) return CKR_OK;
  const previous = turns.get(token) ?? Promise.resolve();
  const turn = previous.then(async () => {
    const pin = await untilAborted(signal, async () => key.readPin?.());
    const fingerprint = fingerprintOf(token, pin ?? "");
    if (rejectedPins.has(fingerprint))
      throw new SignerError("pin-incorrect", "The PIN was wrong before. This process doesn't try it again.");
    const loggedIn = await isLoggedIn(question, session);
    if (pin === undefined && !hasPinPad && !loggedIn)
      throw new SignerError("pin-required", "The token requires a login: set the option pin.");
    // A token with a PIN pad decides by itself whether the user must enter the PIN.
    const isChecked = loggedIn && !(pin === undefined && hasPinPad);
    const value = isChecked ? CKR_USER_ALREADY_LOGGED_IN : await session.login(pin);
    if (pin !== undefined) checkPin(token, fingerprint, value);
    if (value !== CKR_OK && value !== CKR_USER_ALREADY_LOGGED_IN) return value;
    keysWithAcceptedPin.add(key);
    const accepted = value === CKR_OK && pin !== undefined ? fingerprint : logins.get(token)?.fingerprint;
    if (!question.forSignature) logins.set(token, { at: process.hrtime.bigint(), fingerprint: accepted });
    return CKR_OK;
  });
  turns.set(
    token,
    turn.catch(() => undefined),
  );
  return untilAborted(signal, () => turn);
}

/** Asks the worker only about a token that this process has logged in to before: each question is a call to the token. */
async function isLoggedIn({ token, forSignature, lostAt }: LoginQuestion, session: WorkerSession): Promise<boolean> {
  const login = logins.get(token);
  if (forSignature || !login) return false;
  return lostAt === undefined ? session.isLoggedIn() : login.at > lostAt;
}

/** Remembers whether the token has accepted the PIN. A token that is already logged in hasn't checked it. */
function checkPin(token: string, fingerprint: string, value: number): void {
  if (WRONG_PIN.includes(value)) rejectedPins.add(fingerprint);
  const accepted = logins.get(token)?.fingerprint ?? fingerprint;
  if (value !== CKR_USER_ALREADY_LOGGED_IN || accepted === fingerprint) return;
  throw new SignerError("pin-incorrect", "This process is logged in to the token with a different PIN.");
}
