/**
 * The PKCS#11 functions (PKCS #11 v2.40) that make tokens and keys, by either package that can call a library. Only
 * the separate process uses them. Each function throws if it doesn't return `CKR_OK`.
 */
import type { Attribute } from "./protocol.js";

/** A loaded library. */
export interface Cryptoki {
  C_Initialize(): void;
  C_Finalize(): void;
  /** Returns the slots in which a token is present. SoftHSM always has one with a token that isn't initialised. */
  C_GetSlotList(): bigint[];
  C_GetTokenInfo(slot: bigint): { readonly serial: string; readonly flags: number };
  C_InitToken(slot: bigint, soPin: string, label: string): void;
  /** Opens a session that can write. */
  C_OpenSession(slot: bigint): bigint;
  C_Login(session: bigint, user: number, pin: string): void;
  C_Logout(session: bigint): void;
  C_InitPIN(session: bigint, pin: string): void;
  C_CreateObject(session: bigint, template: readonly Attribute[]): bigint;
  /** Returns the handle of the public key. */
  C_GenerateKeyPair(
    session: bigint,
    mechanism: number,
    publicKey: readonly Attribute[],
    privateKey: readonly Attribute[],
  ): bigint;
  /** Calls `C_FindObjectsInit`, `C_FindObjects` and `C_FindObjectsFinal`. */
  findObjects(session: bigint, template: readonly Attribute[]): bigint[];
  C_DestroyObject(session: bigint, object: bigint): void;
}

/** Users (`CKU_*`), session flags (`CKF_*`) and token flags. */
export const CKU_SO = 0;
export const CKU_USER = 1;
export const CKF_RW_SERIAL_SESSION = 0x2 | 0x4;
export const CKF_TOKEN_INITIALIZED = 0x400;
/** Bytes of a token's label, which is padded with blanks. */
export const LABEL_BYTES = 32;
/** The most objects that one search returns. */
export const MAX_OBJECTS = 1000;

/** `CK_ULONG` as bytes: on the platforms that SoftHSM runs on, it has 8 bytes and is little-endian. */
export function ulong(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const CKR_OK = 0;
/** The return values that a wrong option or a damaged token causes. */
const NAMES: Readonly<Record<number, string>> = {
  5: "CKR_GENERAL_ERROR",
  6: "CKR_FUNCTION_FAILED",
  7: "CKR_ARGUMENTS_BAD",
  19: "CKR_ATTRIBUTE_VALUE_INVALID",
  112: "CKR_MECHANISM_INVALID",
  160: "CKR_PIN_INCORRECT",
  162: "CKR_PIN_LEN_RANGE",
  208: "CKR_TEMPLATE_INCOMPLETE",
  209: "CKR_TEMPLATE_INCONSISTENT",
};

/** @throws {Error} If the return value isn't `CKR_OK`. */
export function check(name: string, value: number): void {
  if (value !== CKR_OK) throw new Error(`${name} returned ${NAMES[value] ?? `the error 0x${value.toString(16)}`}.`);
}
