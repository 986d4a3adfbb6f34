/** Finds a token by its label, serial number or slot id, never by its position. */

import { SignerError } from "../../src/errors.js";
import type { Cryptoki, Handle, TokenInfo } from "./binding.js";
import { CKF_TOKEN_INITIALIZED } from "./constants.js";
import { listSome } from "./list-some.js";
import { Pkcs11Error } from "./return-values.js";

/** Selects a token: every member that is set must match. */
export interface TokenSelector {
  /** The label that the token was initialised with. */
  label?: string | undefined;
  /** The serial number. */
  serial?: string | undefined;
  /** The manufacturer's name. */
  manufacturer?: string | undefined;
  /** The model's name. */
  model?: string | undefined;
  /** `CK_SLOT_ID`. Many libraries number their slots differently at each start: prefer label and serial. */
  slot?: number | undefined;
}

/** No token matches. The token may be found after a restart: some libraries read their tokens only when initialised. */
export class TokenNotFound extends SignerError {}

/** An initialised token. Its text fields don't contain padding. */
export interface Token extends Omit<TokenInfo, "maxSessionCount"> {
  readonly slot: Handle;
  readonly slotId: number;
  /** The most sessions. `undefined` if the token doesn't set or doesn't report a limit. */
  readonly maxSessions: number | undefined;
  /** What `C_GetMechanismList` returned when the library's slots were read. Empty if the token isn't initialised. */
  readonly mechanisms: readonly number[];
}

const NO_SLOT = "no token. Check that the token is connected and that its reader's service (such as pcscd) is running.";
const NOT_INITIALIZED = "no initialised token. Initialise one with softhsm2-util or pkcs11-tool --init-token.";

/** The initialised tokens of each library when its slots were last read. */
const knownTokens = new WeakMap<Cryptoki, readonly Token[]>();

/** Reads all slots in which a token is present. {@link findToken} then reads only the slot of the token that matches. */
export function readSlots(lib: Cryptoki): (Token | Pkcs11Error)[] {
  const slots = lib.C_GetSlotList().map((slot) => readToken(lib, slot));
  knownTokens.set(lib, slots.filter(isInitialized));
  return slots;
}

/**
 * Returns the one token that matches.
 *
 * @throws {SignerError} With code `key-not-found` if there is no such token, `ambiguous-key` if there are several.
 * @throws {Pkcs11Error} If no token matches and one of them can't be read.
 */
export function findToken(lib: Cryptoki, selector: TokenSelector): Token {
  const known = knownTokens.get(lib)?.filter((token) => isMatch(token, selector)) ?? [];
  const [only] = known;
  const current = only && known.length === 1 ? readToken(lib, only.slot, only.mechanisms) : undefined;
  if (current && isInitialized(current) && isMatch(current, selector)) return current;
  // The token may have been connected since.
  return onlyToken(readSlots(lib), selector);
}

function onlyToken(slots: readonly (Token | Pkcs11Error)[], selector: TokenSelector): Token {
  const tokens = slots.filter(isInitialized);
  const matches = tokens.filter((token) => isMatch(token, selector));
  const [token] = matches;
  if (token && matches.length === 1) return token;
  if (token) {
    const list = listSome(matches.map(describeToken));
    throw new SignerError("ambiguous-key", `More than one token matches: ${list}. Add the serial number.`);
  }
  const unreadable = slots.find((slot) => slot instanceof Pkcs11Error);
  if (unreadable) throw unreadable;
  const none = slots.length === 0 ? NO_SLOT : NOT_INITIALIZED;
  const list = tokens.length === 0 ? none : `${listSome(tokens.map(describeToken))}.`;
  throw new TokenNotFound("key-not-found", `There is no such token. The module has ${list}`);
}

/** Returns text without its padding, which is blanks by the standard and NULs in some libraries. */
export function unpadded(text: string): string {
  return text.replace(/[ \0]+$/, "");
}

/** Escapes control characters, so that a terminal doesn't interpret what a token reports. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped.
  return text.replace(/[\0-\x1f\x7f-\x9f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function readToken(lib: Cryptoki, slot: Handle, mechanisms?: readonly number[]): Token | Pkcs11Error {
  try {
    const { label, serial, manufacturer, model, firmware, flags, maxSessionCount } = lib.C_GetTokenInfo(slot);
    return {
      slot,
      slotId: Number(slot),
      label: unpadded(label),
      serial: unpadded(serial),
      manufacturer: unpadded(manufacturer),
      model: unpadded(model),
      firmware,
      flags,
      maxSessions: sessionLimit(maxSessionCount),
      mechanisms: mechanisms ?? ((flags & CKF_TOKEN_INITIALIZED) === 0 ? [] : lib.C_GetMechanismList(slot)),
    };
  } catch (error) {
    if (error instanceof Pkcs11Error) return error;
    throw error;
  }
}

function isInitialized(slot: Token | Pkcs11Error): slot is Token {
  return !(slot instanceof Pkcs11Error) && (slot.flags & CKF_TOKEN_INITIALIZED) !== 0;
}

/** Returns whether a token has everything that the selector names. */
export function isMatch(token: Token, { label, serial, manufacturer, model, slot }: TokenSelector): boolean {
  const selector = { label, serial, manufacturer, model, slotId: slot };
  const names = ["label", "serial", "manufacturer", "model", "slotId"] as const;
  return names.every((name) => selector[name] === undefined || comparable(selector[name]) === token[name]);
}

function comparable(value: string | number): string | number {
  return typeof value === "string" ? unpadded(value) : value;
}

function describeToken({ label, serial, slotId }: Token): string {
  return `"${printable(label)}" (serial ${printable(serial)}, slot ${slotId})`;
}

/** 0 is `CK_EFFECTIVELY_INFINITE`, and all bits set is `CK_UNAVAILABLE_INFORMATION`. */
function sessionLimit(count: number): number | undefined {
  return count > 0 && count < 0xffffffff ? count : undefined;
}
