/**
 * PINs on their way to the workers: one login at a time for each token, and no PIN that was wrong before. A token counts
 * the tries of a whole process.
 */
import { createHash, randomBytes } from "node:crypto";
import { untilAborted } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { LibraryKey } from "./library-key.js";
import type { LoginOutcome, Question, Reply } from "./protocol.js";

type PinQuestion = Extract<Question, { ask: "pin" }>;

/** So that a memory dump with the fingerprints doesn't reveal short PINs to a table made beforehand. */
const SALT = randomBytes(16);
const wrong = new Set<string>();
/** By token: the PIN that logged this process in. */
const right = new Map<string, string>();
/** Keys whose PIN is known to be right. */
const proven = new WeakSet<LibraryKey>();
/** By token: ends when the login before has ended. */
const turns = new Map<string, Promise<void>>();

/** A login that a worker is trying. */
export interface Login {
  readonly reply: Reply;
  end(outcome: LoginOutcome): void;
}

/**
 * Waits until no other login to the token is in progress, and reads the PIN.
 *
 * @param library - The library's path: with the token's names, it identifies the token.
 * @throws {SignerError} With code `pin-required` or `pin-incorrect`.
 */
export async function prepareLogin(
  question: PinQuestion,
  library: string,
  key: LibraryKey,
  signal: AbortSignal | undefined,
): Promise<Login> {
  if (question.loggedIn && proven.has(key)) return { reply: {}, end: () => undefined };
  const token = JSON.stringify([library, question.token]);
  const former = turns.get(token);
  let done: () => void = () => undefined;
  turns.set(
    token,
    new Promise<void>((resolve) => {
      done = resolve;
    }),
  );
  try {
    await untilAborted(signal, async () => former);
    const login = await untilAborted(signal, () => chooseLogin(question, token, key));
    signal?.throwIfAborted();
    if (!login) done();
    const end = (outcome: LoginOutcome) => {
      remember(outcome, token, key, login?.pin);
      done();
    };
    return { reply: login ? { login } : {}, end };
  } catch (error) {
    void Promise.resolve(former).then(done);
    throw error instanceof SignerError ? error : new SignerError("aborted", "The caller gave up before the login.");
  }
}

async function chooseLogin(
  { loggedIn, hasPinPad }: PinQuestion,
  token: string,
  key: LibraryKey,
): Promise<Reply["login"]> {
  if (!key.readPin) return loginWithoutPin(loggedIn, hasPinPad);
  const pin = await key.readPin();
  const print = fingerprint(token, pin);
  if (wrong.has(print))
    throw new SignerError("pin-incorrect", "This PIN was wrong before. It is not tried again by this process.");
  if (!loggedIn) return { pin };
  // The token wouldn't check the PIN now. A wrong one would fail at the next login only.
  if ((right.get(token) ?? print) !== print)
    throw new SignerError("pin-incorrect", "This process is logged in to the token with another PIN.");
  proven.add(key);
  return undefined;
}

function loginWithoutPin(loggedIn: boolean, hasPinPad: boolean): Reply["login"] {
  if (hasPinPad) return { pin: undefined };
  if (loggedIn) return undefined;
  throw new SignerError("pin-required", "The token needs a login: set a pin.");
}

function remember(outcome: LoginOutcome, token: string, key: LibraryKey, pin: string | undefined): void {
  if (outcome === "unknown") return;
  if (outcome === "wrong") {
    if (pin !== undefined) wrong.add(fingerprint(token, pin));
    return;
  }
  if (pin !== undefined) right.set(token, fingerprint(token, pin));
  proven.add(key);
}

function fingerprint(token: string, pin: string): string {
  return createHash("sha256")
    .update(SALT)
    .update(JSON.stringify([token, pin]))
    .digest("hex");
}
