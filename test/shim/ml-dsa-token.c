/*
 * A PKCS#11 library that gives another library ML-DSA keys (PKCS #11 v3.2), because SoftHSM 2.6.1 has none. An EC key whose
 * label begins with ML-DSA-44, ML-DSA-65 or ML-DSA-87 appears as a key of that type. Its calls are checked as by a real
 * token, and its signatures come from a server. Everything else is forwarded.
 *
 * HARDPROOF_ML_DSA_MODULE     The path of the library that receives the calls.
 * HARDPROOF_ML_DSA_DIRECTORY  Contains ML-DSA-44.pub and so on, the public keys, and the Unix socket "signer". A request is
 *                             the name of the key in 9 bytes, and the message. The response is the signature.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pkcs11.h"

enum { NAME = 9, LONGEST = 8192 };
#define ML_DSA_KEY_PAIR_GEN 0x1cUL
#define ML_DSA 0x1dUL
#define KEY_TYPE_ML_DSA 0x4aUL
#define PARAMETER_SET 0x61dUL

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;
/* The name of the key that each session signs with; empty for another key. */
static char signing[65536][NAME + 1];

/* Returns 1 to 3, the parameter set of the label; 0 if it isn't an ML-DSA key's. */
static CK_ULONG parameter_set(const char *label) {
  if (strncmp(label, "ML-DSA-", 7) != 0) return 0;
  return label[7] == '4' ? 1 : label[7] == '6' ? 2 : 3;
}

static void read_label(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, char *name) {
  char label[256] = "";
  CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof label - 1};
  memset(name, 0, NAME + 1);
  if (real->C_GetAttributeValue(session, object, &attribute, 1) == CKR_OK && parameter_set(label))
    memcpy(name, label, NAME);
}

static CK_RV fill(CK_ATTRIBUTE_PTR attribute, const void *value, CK_ULONG length) {
  CK_ULONG size = attribute->pValue ? attribute->ulValueLen : length;
  attribute->ulValueLen = size < length ? (CK_ULONG)-1 : length;
  if (size < length) return CKR_BUFFER_TOO_SMALL;
  if (attribute->pValue) memcpy(attribute->pValue, value, length);
  return CKR_OK;
}

static CK_RV fill_public_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attribute, const char *name) {
  static unsigned char key[LONGEST];
  char path[512];
  CK_OBJECT_CLASS class = 0;
  CK_ATTRIBUTE query = {CKA_CLASS, &class, sizeof class};
  real->C_GetAttributeValue(session, object, &query, 1);
  if (class != CKO_PUBLIC_KEY) return CKR_ATTRIBUTE_SENSITIVE;
  snprintf(path, sizeof path, "%s/%s.pub", getenv("HARDPROOF_ML_DSA_DIRECTORY"), name);
  FILE *file = fopen(path, "r");
  size_t length = file ? fread(key, 1, sizeof key, file) : 0;
  if (file) fclose(file);
  return fill(attribute, key, length);
}

static void replace(CK_ATTRIBUTE_PTR attribute, CK_ULONG from, CK_ULONG to) {
  CK_ULONG *value = attribute->pValue;
  if (value && attribute->ulValueLen >= sizeof *value && *value == from) *value = to;
}

static CK_RV get_attribute(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attribute, const char *name) {
  CK_ULONG set = parameter_set(name);
  if (attribute->type == PARAMETER_SET) return fill(attribute, &set, sizeof set);
  if (attribute->type == CKA_VALUE) return fill_public_key(session, object, attribute, name);
  if (attribute->type == CKA_EC_PARAMS || attribute->type == CKA_EC_POINT) return CKR_ATTRIBUTE_TYPE_INVALID;
  CK_RV rv = real->C_GetAttributeValue(session, object, attribute, 1);
  if (rv != CKR_OK) return rv;
  if (attribute->type == CKA_KEY_TYPE) replace(attribute, CKK_EC, KEY_TYPE_ML_DSA);
  if (attribute->type == CKA_KEY_GEN_MECHANISM) replace(attribute, CKM_EC_KEY_PAIR_GEN, ML_DSA_KEY_PAIR_GEN);
  if (attribute->type == CKA_ALLOWED_MECHANISMS) replace(attribute, CKM_ECDSA, ML_DSA);
  return CKR_OK;
}

static CK_RV get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes, CK_ULONG count) {
  char name[NAME + 1];
  CK_RV result = CKR_OK;
  read_label(session, object, name);
  if (!*name) return real->C_GetAttributeValue(session, object, attributes, count);
  for (CK_ULONG i = 0; i < count; i++) {
    CK_RV rv = get_attribute(session, object, &attributes[i], name);
    if (rv != CKR_OK) result = rv;
  }
  return result;
}

static CK_RV get_mechanisms(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR mechanisms, CK_ULONG_PTR count) {
  CK_RV rv = real->C_GetMechanismList(slot, mechanisms, count);
  if (rv != CKR_OK) return rv;
  if (mechanisms) mechanisms[*count] = ML_DSA_KEY_PAIR_GEN;
  if (mechanisms) mechanisms[*count + 1] = ML_DSA;
  *count += 2;
  return CKR_OK;
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  char *name = signing[session % 65536];
  read_label(session, key, name);
  if (!*name) return real->C_SignInit(session, mechanism, key);
  if (mechanism->mechanism != ML_DSA) return CKR_KEY_TYPE_INCONSISTENT;
  if (mechanism->ulParameterLen != 0) return CKR_MECHANISM_PARAM_INVALID;
  CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
  return real->C_SignInit(session, &ecdsa, key);
}

static ssize_t ask_server(const char *name, CK_BYTE_PTR data, CK_ULONG length, unsigned char *signature) {
  struct sockaddr_un address = {AF_UNIX, ""};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/signer", getenv("HARDPROOF_ML_DSA_DIRECTORY"));
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  ssize_t total = -1, part;
  if (connect(server, (struct sockaddr *)&address, sizeof address) == 0 && write(server, name, NAME) == NAME) {
    for (total = 0; (CK_ULONG)total < length && (part = write(server, data + total, length - total)) > 0;) total += part;
    shutdown(server, SHUT_WR);
    for (total = 0; (part = read(server, signature + total, LONGEST - total)) > 0;) total += part;
  }
  close(server);
  return total;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR size) {
  const char *name = signing[session % 65536];
  if (!*name) return real->C_Sign(session, data, length, out, size);
  unsigned char signature[LONGEST], unused[64], digest[32] = {0};
  CK_ULONG unused_size = sizeof unused;
  CK_RV rv = real->C_Sign(session, digest, sizeof digest, unused, &unused_size);
  if (rv != CKR_OK) return rv;
  ssize_t total = ask_server(name, data, length, signature);
  if (total < 0) return CKR_DEVICE_ERROR;
  if (*size < (CK_ULONG)total) return CKR_BUFFER_TOO_SMALL;
  memcpy(out, signature, total);
  *size = total;
  return CKR_OK;
}

static CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_template, CK_ULONG public_count,
                      CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count, CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key) {
  static unsigned char p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_ATTRIBUTE copy[32];
  CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  int found = 0;
  if (mechanism->mechanism != ML_DSA_KEY_PAIR_GEN)
    return real->C_GenerateKeyPair(session, mechanism, public_template, public_count, private_template, private_count, public_key, private_key);
  for (CK_ULONG i = 0; i < public_count && i < 32; i++) {
    copy[i] = public_template[i];
    if (copy[i].type != PARAMETER_SET) continue;
    found = copy[i].ulValueLen == sizeof(CK_ULONG) && *(CK_ULONG *)copy[i].pValue >= 1 && *(CK_ULONG *)copy[i].pValue <= 3;
    copy[i] = (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof p256};
  }
  if (!found) return CKR_TEMPLATE_INCOMPLETE;
  return real->C_GenerateKeyPair(session, &ec, copy, public_count, private_template, private_count, public_key, private_key);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (!real) {
    void *library = dlopen(getenv("HARDPROOF_ML_DSA_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = library ? dlsym(library, "C_GetFunctionList") : NULL;
    if (!get || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
    list = *real;
    list.C_GetFunctionList = C_GetFunctionList;
    list.C_GetAttributeValue = get_attributes;
    list.C_GetMechanismList = get_mechanisms;
    list.C_SignInit = sign_init;
    list.C_Sign = sign;
    list.C_GenerateKeyPair = generate;
  }
  *out = &list;
  return CKR_OK;
}
