/** A token in its slot: chosen by label, serial or slot id, never by position, and logged in to with care. */
import { SignerError } from "../../src/errors.js";
import { type Cryptoki, type Handle, returnValue } from "./client.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKR_USER_ALREADY_LOGGED_IN,
  CKU_USER,
} from "./cryptoki.js";
import { type PinSource, readPin } from "./pin.js";
import { isAnother, isKnownWrong, rememberRight, rememberWrong, whileNoOtherTries } from "./pin-memory.js";

/** All that are given must match. */
export interface TokenSelector {
  label?: string | undefined;
  serial?: string | undefined;
  manufacturer?: string | undefined;
  model?: string | undefined;
  /** `CK_SLOT_ID`. Many modules number their slots anew at each start: prefer label and serial. */
  slot?: number | undefined;
}

export interface Token {
  readonly slot: Handle;
  readonly slotId: number;
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** `undefined` where the token sets no limit or does not say. */
  readonly maxSessions: number | undefined;
}

const NONE = "none. Initialise one: softhsm2-util or pkcs11-tool --init-token";

/**
 * @throws {SignerError} code `key-not-found` if there is no such token, `ambiguous-key` if there are several
 */
export function findToken(lib: Cryptoki, wanted: TokenSelector): Token {
  const tokens = lib.C_GetSlotList(true).flatMap((slot) => readToken(lib, slot));
  const matches = tokens.filter((token) => isWanted(token, wanted));
  const [token] = matches;
  if (token && matches.length === 1) return token;
  const [code, some] = token ? (["ambiguous-key", matches] as const) : (["key-not-found", tokens] as const);
  const list = some.map(({ label, serial, slotId }) => `"${label}" (serial ${serial}, slot ${slotId})`).join(", ");
  const problem = token ? "More than one token matches: add its serial." : "There is no such token.";
  throw new SignerError(code, `${problem} The module has ${list || NONE}.`);
}

function isWanted(token: Token, { label, serial, manufacturer, model, slot }: TokenSelector): boolean {
  const wanted = { label, serial, manufacturer, model, slotId: slot };
  const names = ["label", "serial", "manufacturer", "model", "slotId"] as const;
  return names.every((name) => wanted[name] === undefined || wanted[name] === token[name]);
}

/** A slot whose token is not set up, or went away while we looked, is none to choose. */
function readToken(lib: Cryptoki, slot: Handle): Token[] {
  try {
    const info = lib.C_GetTokenInfo(slot);
    if ((info.flags & CKF_TOKEN_INITIALIZED) === 0) return [];
    return [
      {
        slot,
        slotId: toNumber(slot),
        label: unpadded(info.label),
        serial: unpadded(info.serialNumber),
        manufacturer: unpadded(info.manufacturerID),
        model: unpadded(info.model),
        firmware: `${info.firmwareVersion.major}.${info.firmwareVersion.minor}`,
        maxSessions: sessionLimit(info.maxSessionCount),
      },
    ];
  } catch {
    return [];
  }
}

const WRONG_PIN = new Set(["CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"]);

export interface Login {
  pin?: PinSource | undefined;
  /** Tries the PIN even if the token says that the next wrong one locks it. */
  force?: boolean | undefined;
}

/**
 * Logs in to the token, for all sessions of this process; or for one operation, with `CKU_CONTEXT_SPECIFIC`. A PIN that
 * was wrong once is not tried again, and none is tried where one more failure would lock the token.
 *
 * @throws {SignerError} code `pin-required`, `pin-incorrect` or `pin-locked`; or what the library throws
 */
export async function logIn(
  lib: Cryptoki,
  session: Handle,
  token: Token,
  login: Login,
  user = CKU_USER,
): Promise<void> {
  const { flags } = lib.C_GetTokenInfo(token.slot);
  if (user === CKU_USER && (flags & CKF_LOGIN_REQUIRED) === 0 && login.pin === undefined) return;
  checkTries(flags, login);
  if (login.pin !== undefined) {
    const pin = await readPin(login.pin);
    return whileNoOtherTries(() => tryPin(lib, session, token, user, pin));
  }
  if ((flags & CKF_PROTECTED_AUTHENTICATION_PATH) === 0)
    throw new SignerError("pin-required", "The token needs a login: give a pin.");
  // A token with a PIN pad of its own takes no PIN from us, and the addon can't say that but by an empty one.
  loggingIn(() => lib.C_Login(session, user, ""));
}

function checkTries(flags: number, { force }: Login): void {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0)
    throw new SignerError("pin-locked", "The token's PIN is locked. The security officer must unlock it.");
  if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0 && !force)
    throw new SignerError("pin-locked", "One more wrong PIN locks the token. If you are sure of it, set forceLogin.");
}

/** From the look into the memory to the answer there is no await: callers side by side can't both try. */
function tryPin(lib: Cryptoki, session: Handle, token: Token, user: number, pin: string): void {
  const name = `${lib.libPath}\0${token.label}\0${token.serial}`;
  if (isKnownWrong(name, pin))
    throw new SignerError("pin-incorrect", "This PIN was wrong before. It is not tried again by this process.");
  try {
    // Where another login came first, the token does not look at the PIN. Taking a wrong one would only put the failure
    // off to the next login.
    const first = loggingIn(() => lib.C_Login(session, user, pin));
    if (first) rememberRight(name, pin);
    else if (isAnother(name, pin))
      throw new SignerError("pin-incorrect", "This process is logged in to the token with another PIN.");
  } catch (error) {
    if (WRONG_PIN.has(returnValue(error) ?? "")) rememberWrong(name, pin);
    throw error;
  }
}

/** @returns whether it was needed */
function loggingIn(login: () => void): boolean {
  try {
    login();
    return true;
  } catch (error) {
    if (returnValue(error) === CKR_USER_ALREADY_LOGGED_IN) return false;
    throw error;
  }
}

/** `CK_ULONG` in this machine's byte order and size. */
export function toNumber(value: Buffer): number {
  return value.length === 8 ? Number(value.readBigUInt64LE()) : value.readUInt32LE();
}

/** The standard pads with spaces; tpm2-pkcs11 with NUL as well. */
export function unpadded(text: string): string {
  return text.replace(/[ \0]+$/, "");
}

/** 0 is `CK_EFFECTIVELY_INFINITE`, all ones is `CK_UNAVAILABLE_INFORMATION`. */
function sessionLimit(count: number): number | undefined {
  return count > 0 && count < 0xffffffff ? count : undefined;
}
