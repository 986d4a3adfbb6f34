/**
 * Provides the workers with PINs: one login at a time for each token, and never a PIN that was wrong before. A token counts
 * the wrong PINs of all workers together.
 */
import { createHash, randomBytes } from "node:crypto";
import { untilAborted } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { LibraryKey } from "./library-key.js";
import type { LoginOutcome, Question, Reply } from "./protocol.js";

type PinQuestion = Extract<Question, { ask: "pin" }>;

/** Prevents a precomputed table from revealing short PINs if the fingerprints end up in a memory dump. */
const SALT = randomBytes(16);
/** Fingerprints of PINs that a token has rejected. */
const rejectedPins = new Set<string>();
/** By token: the fingerprint of the PIN that logged this process in. */
const acceptedPins = new Map<string, string>();
/** Keys whose PIN a token has accepted. */
const keysWithAcceptedPin = new WeakSet<LibraryKey>();
/** By token: settles when the last login in the queue has ended. */
const turns = new Map<string, Promise<void>>();

/** A login that a worker is attempting. No other login to the token begins before `end` is called. */
export interface Login {
  readonly reply: Reply;
  end(outcome: LoginOutcome): void;
}

/**
 * Waits until no other login to the token is in progress, and reads the PIN.
 *
 * @param library - The library's path. Together with label and serial it identifies the token.
 * @throws {SignerError} With code `pin-required` or `pin-incorrect`; `aborted` if `signal` aborts.
 */
export async function prepareLogin(
  question: PinQuestion,
  library: string,
  key: LibraryKey,
  signal: AbortSignal | undefined,
): Promise<Login> {
  if (question.loggedIn && keysWithAcceptedPin.has(key)) return { reply: {}, end: () => undefined };
  const token = JSON.stringify([library, question.token]);
  const previous = turns.get(token);
  let release: () => void = () => undefined;
  turns.set(
    token,
    new Promise<void>((resolve) => {
      release = resolve;
    }),
  );
  try {
    await untilAborted(signal, async () => previous);
    const login = await untilAborted(signal, () => chooseLogin(question, token, key));
    signal?.throwIfAborted();
    if (!login) release();
    const end = (outcome: LoginOutcome) => {
      remember(outcome, token, key, login?.pin);
      release();
    };
    return { reply: login ? { login } : {}, end };
  } catch (error) {
    void Promise.resolve(previous).then(release);
    throw error instanceof SignerError
      ? error
      : new SignerError("aborted", "The request was aborted before the login.");
  }
}

async function chooseLogin(
  { loggedIn, hasPinPad }: PinQuestion,
  token: string,
  key: LibraryKey,
): Promise<Reply["login"]> {
  if (!key.readPin) return loginWithoutPin(loggedIn, hasPinPad);
  const pin = await key.readPin();
  const fingerprint = fingerprintOf(token, pin);
  if (rejectedPins.has(fingerprint))
    throw new SignerError("pin-incorrect", "This PIN was wrong before. This process doesn't try it again.");
  if (!loggedIn) return { pin };
  // The token doesn't check the PIN while it is logged in. A wrong one would fail only at the next login.
  if ((acceptedPins.get(token) ?? fingerprint) !== fingerprint)
    throw new SignerError("pin-incorrect", "This process is logged in to the token with a different PIN.");
  keysWithAcceptedPin.add(key);
  return undefined;
}

function loginWithoutPin(loggedIn: boolean, hasPinPad: boolean): Reply["login"] {
  if (hasPinPad) return { pin: undefined };
  if (loggedIn) return undefined;
  throw new SignerError("pin-required", "The token requires a login: set the option pin.");
}

function remember(outcome: LoginOutcome, token: string, key: LibraryKey, pin: string | undefined): void {
  if (outcome === "unknown") return;
  if (outcome === "rejected") {
    if (pin !== undefined) rejectedPins.add(fingerprintOf(token, pin));
    return;
  }
  if (pin !== undefined) acceptedPins.set(token, fingerprintOf(token, pin));
  keysWithAcceptedPin.add(key);
}

function fingerprintOf(token: string, pin: string): string {
  return createHash("sha256")
    .update(SALT)
    .update(JSON.stringify([token, pin]))
    .digest("hex");
}
