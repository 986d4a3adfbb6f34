/** The one file that touches the native addon: loads a PKCS#11 library, and maps its return values to our errors. */
import type { Module } from "graphene-pk11";
import { SignerError, type SignerErrorCode } from "../../src/errors.js";

/** The C functions of one PKCS#11 library. */
export type Cryptoki = Module["lib"];
/** `CK_SESSION_HANDLE`, `CK_OBJECT_HANDLE` or `CK_SLOT_ID`. */
export type Handle = Buffer;

/**
 * Loads a library without initialising it.
 *
 * @throws {SignerError} code `misconfigured` if the addon or the library is missing, or is no PKCS#11 library
 */
export async function loadCryptoki(path: string): Promise<Cryptoki> {
  const { Module } = await importAddon();
  try {
    return Module.load(path).lib;
  } catch (cause) {
    throw new SignerError("misconfigured", `${path} can't be loaded as a PKCS#11 module.`, { cause });
  }
}

/** @throws {SignerError} code `misconfigured` if it is not installed, or was not built */
export async function importAddon(): Promise<typeof import("graphene-pk11")> {
  try {
    return await import("graphene-pk11");
  } catch (cause) {
    // The first line alone: below it Node lists who required what is missing.
    const absent = cause instanceof Error && /^Cannot find (package|module) 'graphene-pk11'/.test(cause.message);
    const remedy = absent
      ? "Install it beside hardproof: npm install graphene-pk11."
      : "Its native addon was not built. Build it: npm rebuild pkcs11js (needs Python and a C++ compiler).";
    throw new SignerError("misconfigured", `PKCS#11 needs the package graphene-pk11. ${remedy}`, { cause });
  }
}

/** The name of the return value (`CKR_…`), `undefined` for any other error. */
export function returnValue(error: unknown): string | undefined {
  return error instanceof Error && error.name === "Pkcs11Error" ? error.message : undefined;
}

const RETURN_VALUES: Readonly<Record<string, readonly [SignerErrorCode, string]>> = {
  CKR_PIN_INCORRECT: ["pin-incorrect", "It was tried once and will not be tried again by this process."],
  CKR_PIN_LEN_RANGE: ["pin-incorrect", "Its length is not what the token takes."],
  CKR_PIN_INVALID: ["pin-incorrect", "It holds characters that the token does not take."],
  CKR_PIN_LOCKED: ["pin-locked", "The security officer must unlock it."],
  CKR_PIN_EXPIRED: ["pin-locked", "It has expired: set a new one with the vendor's tool."],
  CKR_USER_PIN_NOT_INITIALIZED: ["pin-required", "The token has no user PIN yet: set one with the vendor's tool."],
  CKR_USER_NOT_LOGGED_IN: ["pin-required", "The key needs a login: give a pin."],
  CKR_USER_TOO_MANY_TYPES: ["access-denied", "Another user is logged in to the token."],
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: ["access-denied", "Another user is logged in to the token."],
  CKR_KEY_FUNCTION_NOT_PERMITTED: ["wrong-key", "The key may not sign (CKA_SIGN)."],
  CKR_KEY_TYPE_INCONSISTENT: ["wrong-key", "The key is not one for ECDSA."],
  CKR_MECHANISM_INVALID: ["wrong-key", "The token does not sign with CKM_ECDSA."],
  CKR_TOKEN_WRITE_PROTECTED: ["access-denied", "The token is write-protected."],
  CKR_SESSION_READ_ONLY: ["access-denied", "The token opens for reading only."],
  CKR_ATTRIBUTE_READ_ONLY: ["access-denied", "The token does not let this be set."],
  CKR_ACTION_PROHIBITED: ["access-denied", "The token's policy forbids it."],
  CKR_SESSION_COUNT: ["throttled", "The token has no session left: lower `sessions`, or close other programs."],
  CKR_FUNCTION_CANCELED: ["aborted", "It was cancelled at the token."],
};

/**
 * A return value as an error of ours. Those that the table does not know mean a token that can't be used just now.
 *
 * @param hint - what else to look at
 */
export function toSignerError(error: unknown, doing: string, hint?: string): unknown {
  const name = returnValue(error);
  if (name === undefined) return error;
  const [code, remedy] = RETURN_VALUES[name] ?? ["unavailable", "Is the token there, and its server running?"];
  const message = `${name} while ${doing}. ${remedy}`;
  return new SignerError(code, hint === undefined ? message : `${message} ${hint}`, { cause: error });
}
