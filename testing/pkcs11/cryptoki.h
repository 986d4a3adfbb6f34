/*
 * The parts of PKCS #11 v2.40 (section 3, "General data types", and section 5) that the shim needs. A machine with a C
 * compiler rarely has the standard's own headers. Functions that the shim only copies are untyped.
 */
#ifndef HARDPROOF_CRYPTOKI_H
#define HARDPROOF_CRYPTOKI_H

typedef unsigned char CK_BYTE, CK_BBOOL, CK_UTF8CHAR, CK_CHAR;
typedef unsigned long CK_ULONG, CK_RV, CK_FLAGS, CK_SLOT_ID, CK_SESSION_HANDLE, CK_OBJECT_HANDLE;
typedef unsigned long CK_USER_TYPE, CK_STATE, CK_MECHANISM_TYPE, CK_ATTRIBUTE_TYPE;
typedef void *CK_VOID_PTR, *CK_NOTIFY;
typedef CK_BYTE *CK_BYTE_PTR, *CK_UTF8CHAR_PTR;
typedef CK_ULONG *CK_ULONG_PTR, *CK_SLOT_ID_PTR, *CK_SESSION_HANDLE_PTR, *CK_OBJECT_HANDLE_PTR, *CK_MECHANISM_TYPE_PTR;

enum { CK_TRUE = 1 };
enum { CKR_OK = 0x00, CKR_HOST_MEMORY = 0x02, CKR_GENERAL_ERROR = 0x05, CKR_PIN_INCORRECT = 0xa0, CKR_SESSION_COUNT = 0xb1 };
enum { CKA_LOCAL = 0x163, CKA_KEY_GEN_MECHANISM = 0x166 };

typedef struct {
  CK_BYTE major, minor;
} CK_VERSION;

typedef struct {
  CK_UTF8CHAR label[32], manufacturerID[32], model[16];
  CK_CHAR serialNumber[16];
  CK_FLAGS flags;
  CK_ULONG ulMaxSessionCount, ulSessionCount, ulMaxRwSessionCount, ulRwSessionCount, ulMaxPinLen, ulMinPinLen;
  CK_ULONG ulTotalPublicMemory, ulFreePublicMemory, ulTotalPrivateMemory, ulFreePrivateMemory;
  CK_VERSION hardwareVersion, firmwareVersion;
  CK_CHAR utcTime[16];
} CK_TOKEN_INFO, *CK_TOKEN_INFO_PTR;

typedef struct {
  CK_ATTRIBUTE_TYPE type;
  CK_VOID_PTR pValue;
  CK_ULONG ulValueLen;
} CK_ATTRIBUTE, *CK_ATTRIBUTE_PTR;

/* The shim only passes these on. */
typedef void *CK_INFO_PTR, *CK_SLOT_INFO_PTR, *CK_SESSION_INFO_PTR, *CK_MECHANISM_PTR;

typedef struct CK_FUNCTION_LIST CK_FUNCTION_LIST, *CK_FUNCTION_LIST_PTR, **CK_FUNCTION_LIST_PTR_PTR;

struct CK_FUNCTION_LIST {
  CK_VERSION version;
  CK_RV (*C_Initialize)(CK_VOID_PTR);
  CK_RV (*C_Finalize)(CK_VOID_PTR);
  CK_RV (*C_GetInfo)(CK_INFO_PTR);
  CK_RV (*C_GetFunctionList)(CK_FUNCTION_LIST_PTR_PTR);
  CK_RV (*C_GetSlotList)(CK_BBOOL, CK_SLOT_ID_PTR, CK_ULONG_PTR);
  CK_RV (*C_GetSlotInfo)(CK_SLOT_ID, CK_SLOT_INFO_PTR);
  CK_RV (*C_GetTokenInfo)(CK_SLOT_ID, CK_TOKEN_INFO_PTR);
  CK_RV (*C_GetMechanismList)(CK_SLOT_ID, CK_MECHANISM_TYPE_PTR, CK_ULONG_PTR);
  void *C_GetMechanismInfo, *C_InitToken, *C_InitPIN, *C_SetPIN;
  CK_RV (*C_OpenSession)(CK_SLOT_ID, CK_FLAGS, CK_VOID_PTR, CK_NOTIFY, CK_SESSION_HANDLE_PTR);
  CK_RV (*C_CloseSession)(CK_SESSION_HANDLE);
  void *C_CloseAllSessions;
  CK_RV (*C_GetSessionInfo)(CK_SESSION_HANDLE, CK_SESSION_INFO_PTR);
  void *C_GetOperationState, *C_SetOperationState;
  CK_RV (*C_Login)(CK_SESSION_HANDLE, CK_USER_TYPE, CK_UTF8CHAR_PTR, CK_ULONG);
  void *C_Logout, *C_CreateObject, *C_CopyObject;
  CK_RV (*C_DestroyObject)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE);
  void *C_GetObjectSize;
  CK_RV (*C_GetAttributeValue)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG);
  void *C_SetAttributeValue;
  CK_RV (*C_FindObjectsInit)(CK_SESSION_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG);
  CK_RV (*C_FindObjects)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE_PTR, CK_ULONG, CK_ULONG_PTR);
  CK_RV (*C_FindObjectsFinal)(CK_SESSION_HANDLE);
  void *C_EncryptInit, *C_Encrypt, *C_EncryptUpdate, *C_EncryptFinal;
  void *C_DecryptInit, *C_Decrypt, *C_DecryptUpdate, *C_DecryptFinal;
  void *C_DigestInit, *C_Digest, *C_DigestUpdate, *C_DigestKey, *C_DigestFinal;
  CK_RV (*C_SignInit)(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
  CK_RV (*C_Sign)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
  void *C_SignUpdate, *C_SignFinal, *C_SignRecoverInit, *C_SignRecover;
  void *C_VerifyInit, *C_Verify, *C_VerifyUpdate, *C_VerifyFinal, *C_VerifyRecoverInit, *C_VerifyRecover;
  void *C_DigestEncryptUpdate, *C_DecryptDigestUpdate, *C_SignEncryptUpdate, *C_DecryptVerifyUpdate, *C_GenerateKey;
  CK_RV (*C_GenerateKeyPair)(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_ATTRIBUTE_PTR, CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG,
                             CK_OBJECT_HANDLE_PTR, CK_OBJECT_HANDLE_PTR);
  void *C_WrapKey, *C_UnwrapKey, *C_DeriveKey, *C_SeedRandom, *C_GenerateRandom;
  void *C_GetFunctionStatus, *C_CancelFunction, *C_WaitForSlotEvent;
};

#endif
