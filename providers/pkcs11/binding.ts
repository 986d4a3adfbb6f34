/**
 * The PKCS#11 functions (PKCS #11 v2.40) that Hardproof calls, independent of the package that binds them to JavaScript.
 * They are synchronous, so only a library's workers call them. Each one throws a {@link Pkcs11Error} unless it returns
 * `CKR_OK`.
 */
import { SignerError } from "../../src/errors.js";
import { keepMapped } from "./keep-mapped.js";
import { Pkcs11Error } from "./return-values.js";

/** `CK_SESSION_HANDLE`, `CK_OBJECT_HANDLE` or `CK_SLOT_ID`. */
export type Handle = bigint;

/** `CK_ATTRIBUTE`, with its value as bytes. `ulong` and `bool` encode numbers and booleans. */
export interface Attribute {
  readonly type: number;
  readonly value: Buffer;
}

/** `CK_MECHANISM`. */
export interface Mechanism {
  readonly type: number;
  /** The mechanism's parameter: a C structure, as bytes. */
  readonly parameter?: Buffer;
}

/** `CK_INFO`. Text fields contain their padding. */
export interface LibraryInfo {
  readonly manufacturer: string;
  readonly description: string;
  readonly version: string;
}

/** `CK_TOKEN_INFO`. Text fields contain their padding. */
export interface TokenInfo {
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly flags: number;
  readonly maxSessionCount: number;
}

/** A loaded library. The functions have the standard's names, and handles and values as JavaScript types. */
export interface Cryptoki {
  C_Initialize(flags: number, libraryParameters: string | undefined): void;
  C_Finalize(): void;
  C_GetInfo(): LibraryInfo;
  /** Returns the slots in which a token is present. */
  C_GetSlotList(): Handle[];
  C_GetSlotInfo(slot: Handle): { flags: number };
  C_GetTokenInfo(slot: Handle): TokenInfo;
  C_GetMechanismList(slot: Handle): number[];
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_GetSessionInfo(session: Handle): { state: number };
  /** @param pin - `undefined` for a token with a PIN pad. */
  C_Login(session: Handle, user: number, pin: string | undefined): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  /** @param max - The most handles to return. */
  C_FindObjects(session: Handle, max: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  /**
   * Returns a value for each type; `undefined` for an attribute that the token reports as unavailable. Throws if the object
   * doesn't have one of them, because not every library fills in the others then.
   */
  C_GetAttributeValue(session: Handle, object: Handle, types: readonly number[]): (Buffer | undefined)[];
  /** @param mechanism - Always the same object for the same mechanism: it may be converted once. */
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  /** @param length - The most bytes that the signature can have. */
  C_Sign(session: Handle, data: Uint8Array, length: number): Buffer;
  C_GenerateKeyPair(
    session: Handle,
    mechanism: Mechanism,
    publicKey: readonly Attribute[],
    privateKey: readonly Attribute[],
  ): { publicKey: Handle; privateKey: Handle };
  C_DestroyObject(session: Handle, object: Handle): void;
}

/** A package that loads a PKCS#11 library. */
export interface Binding {
  /** The package's name. */
  readonly name: string;
  load(path: string): Cryptoki;
}

/** The packages that can be used, in order of preference. */
export const BINDINGS = ["graphene-pk11", "koffi"] as const;
/** The name of a package that can be used. */
export type BindingName = (typeof BINDINGS)[number];

/** `CK_ULONG` is a C `long`: 4 bytes on Windows. */
export const ULONG_BYTES = process.platform === "win32" ? 4 : 8;

/** Encodes a `CK_ULONG` in this machine's byte order and size. */
export function ulong(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(ULONG_BYTES);
  if (ULONG_BYTES === 8) bytes.writeBigUInt64LE(BigInt(value));
  else bytes.writeUInt32LE(Number(value));
  return bytes;
}

/** Decodes a `CK_ULONG`. */
export function fromUlong(value: Buffer): bigint {
  return value.length === 8 ? value.readBigUInt64LE() : BigInt(value.readUInt32LE());
}

/** Encodes a `CK_BBOOL`. */
export function bool(value: boolean): Buffer {
  return Buffer.from([value ? 1 : 0]);
}

/**
 * Loads a library without initialising it.
 *
 * @throws {SignerError} With code `misconfigured` if the library can't be loaded. The message contains the loader's error.
 */
export function loadLibrary(path: string, binding: Binding): Cryptoki {
  try {
    keepMapped(path);
    return binding.load(path);
  } catch (cause) {
    const reason = cause instanceof Pkcs11Error ? `C_GetFunctionList returned ${cause.message}` : firstLine(cause);
    throw new SignerError("misconfigured", `${path} can't be loaded as a PKCS#11 library: ${reason}`, { cause });
  }
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
}
