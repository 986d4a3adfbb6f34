/** Declares the C types of PKCS #11 v2.40 for koffi. */
import { fromUlong, ULONG_BYTES } from "./binding.js";

/** The API of koffi. */
export type Koffi = typeof import("koffi")["default"];

/** The functions in the order of `CK_FUNCTION_LIST`, after its version (PKCS #11 v2.40, §5). */
const FUNCTION_LIST = `
  C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
  C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
  C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize
  C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
  C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest
  C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
  C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
  C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair
`
  .trim()
  .split(/\s+/);

/** Parameter types of each function. Handles, flags and lengths are `CK_ULONG`; everything else is a pointer. */
export const PARAMETERS: Readonly<Record<string, string>> = {
  C_Initialize: "void *",
  C_Finalize: "void *",
  C_GetInfo: "void *",
  C_GetSlotList: "uint8_t, void *, void *",
  C_GetSlotInfo: "CK_ULONG, void *",
  C_GetTokenInfo: "CK_ULONG, void *",
  C_GetMechanismList: "CK_ULONG, void *, void *",
  C_OpenSession: "CK_ULONG, CK_ULONG, void *, void *, void *",
  C_CloseSession: "CK_ULONG",
  C_GetSessionInfo: "CK_ULONG, void *",
  C_Login: "CK_ULONG, CK_ULONG, void *, CK_ULONG",
  C_DestroyObject: "CK_ULONG, CK_ULONG",
  C_GetAttributeValue: "CK_ULONG, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG",
  C_FindObjectsInit: "CK_ULONG, CK_ATTRIBUTE *, CK_ULONG",
  C_FindObjects: "CK_ULONG, void *, CK_ULONG, void *",
  C_FindObjectsFinal: "CK_ULONG",
  C_SignInit: "CK_ULONG, CK_MECHANISM *, CK_ULONG",
  C_Sign: "CK_ULONG, void *, CK_ULONG, void *, void *",
  C_GenerateKeyPair: "CK_ULONG, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, void *, void *",
};

/** Declares the structures, which are packed to one byte on Windows (PKCS #11 v2.40, §2.1). */
export function defineTypes(koffi: Koffi): void {
  const struct = process.platform === "win32" ? koffi.pack : koffi.struct;
  koffi.alias("CK_ULONG", ULONG_BYTES === 8 ? "uint64_t" : "uint32_t");
  struct("CK_ATTRIBUTE", { type: "CK_ULONG", pValue: "void *", ulValueLen: "CK_ULONG" });
  struct("CK_MECHANISM", { mechanism: "CK_ULONG", pParameter: "void *", ulParameterLen: "CK_ULONG" });
  struct("CK_INITIALIZE_ARGS", {
    CreateMutex: "void *",
    DestroyMutex: "void *",
    LockMutex: "void *",
    UnlockMutex: "void *",
    flags: "CK_ULONG",
    // NSS reads its parameters from here, before pReserved.
    LibraryParameters: "void *",
    pReserved: "void *",
  });
  struct("CK_FUNCTION_LIST", {
    version: koffi.array("uint8_t", 2),
    ...Object.fromEntries(FUNCTION_LIST.map((name) => [name, "void *"])),
  });
}

/** Reads the members of a C structure that the library has filled in, one after the other. */
export class Fields {
  readonly bytes: Buffer;
  #offset = 0;

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
  }

  text(length: number): string {
    return this.#take(length, 1).toString("utf8");
  }

  ulong(): number {
    return Number(fromUlong(this.#take(ULONG_BYTES, process.platform === "win32" ? 1 : ULONG_BYTES)));
  }

  version(): string {
    const [major, minor] = this.#take(2, 1);
    return `${major}.${minor}`;
  }

  #take(length: number, alignment: number): Buffer {
    const start = Math.ceil(this.#offset / alignment) * alignment;
    this.#offset = start + length;
    return this.bytes.subarray(start, this.#offset);
  }
}
