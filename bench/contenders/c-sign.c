/*
 * Measures how fast a PKCS#11 library signs without Node: C_SignInit and C_Sign over 32 bytes, from several threads,
 * each with its own session.
 *
 * Usage: c-sign MODULE TOKEN-LABEL KEY-LABEL, with the PIN in HARDPROOF_PIN. Writes "ready", then answers
 * "turn THREADS MILLISECONDS" by "SIGNATURES NANOSECONDS CPU-NANOSECONDS", or by "failed CKR" if a call fails.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pkcs11.h"

enum { MAX_THREADS = 4, MAX_SLOTS = 64 };

struct signer {
  CK_SESSION_HANDLE session;
  pthread_t thread;
  long long until;
  unsigned long signatures;
  CK_RV rv;
};

static CK_FUNCTION_LIST_PTR pkcs11;
static CK_OBJECT_HANDLE key;
static struct signer signers[MAX_THREADS];

static long long nanoseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long now(void) { return nanoseconds(CLOCK_MONOTONIC); }

static void check(CK_RV rv, const char *call) {
  if (rv == CKR_OK) return;
  fprintf(stderr, "%s: 0x%lx\n", call, rv);
  exit(1);
}

static void load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = library ? dlsym(library, "C_GetFunctionList") : NULL;
  check(get ? get(&pkcs11) : CKR_GENERAL_ERROR, "C_GetFunctionList");
  CK_C_INITIALIZE_ARGS locking = {.flags = CKF_OS_LOCKING_OK};
  check(pkcs11->C_Initialize(&locking), "C_Initialize");
}

static CK_SLOT_ID slot_of(const char *label) {
  CK_SLOT_ID slots[MAX_SLOTS];
  CK_ULONG count = MAX_SLOTS;
  check(pkcs11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
  char padded[33];
  snprintf(padded, sizeof padded, "%-32s", label);
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    if (pkcs11->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, padded, 32) == 0) return slots[i];
  }
  check(CKR_TOKEN_NOT_PRESENT, label);
  return 0;
}

static void find_key(CK_SESSION_HANDLE session, char *label) {
  CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, label, strlen(label)}};
  CK_ULONG found = 0;
  check(pkcs11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
  check(pkcs11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
  check(pkcs11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  check(found ? CKR_OK : CKR_KEY_HANDLE_INVALID, label);
}

static void *sign(void *argument) {
  struct signer *self = argument;
  CK_MECHANISM mechanism = {.mechanism = CKM_ECDSA};
  CK_BYTE digest[32] = {1}, signature[64];
  while (self->rv == CKR_OK && now() < self->until) {
    CK_ULONG length = sizeof signature;
    self->rv = pkcs11->C_SignInit(self->session, &mechanism, key);
    if (self->rv == CKR_OK) self->rv = pkcs11->C_Sign(self->session, digest, sizeof digest, signature, &length);
    self->signatures += self->rv == CKR_OK;
  }
  return NULL;
}

static void run_turn(int threads, int milliseconds) {
  long long start = now(), cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  unsigned long signatures = 0;
  CK_RV rv = CKR_OK;
  for (int i = 0; i < threads; i++) {
    signers[i].until = start + milliseconds * 1000000LL;
    signers[i].signatures = 0;
    signers[i].rv = CKR_OK;
    pthread_create(&signers[i].thread, NULL, sign, &signers[i]);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(signers[i].thread, NULL);
    signatures += signers[i].signatures;
    if (signers[i].rv != CKR_OK) rv = signers[i].rv;
  }
  if (rv == CKR_OK)
    printf("%lu %lld %lld\n", signatures, now() - start, nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  else
    printf("failed 0x%lx\n", rv);
  fflush(stdout);
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  load(arguments[1]);
  CK_SLOT_ID slot = slot_of(arguments[2]);
  for (int i = 0; i < MAX_THREADS; i++)
    check(pkcs11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &signers[i].session), "C_OpenSession");
  char *pin = getenv("HARDPROOF_PIN");
  check(pkcs11->C_Login(signers[0].session, CKU_USER, (CK_UTF8CHAR_PTR)pin, pin ? strlen(pin) : 0), "C_Login");
  find_key(signers[0].session, arguments[3]);
  puts("ready");
  fflush(stdout);
  int threads, milliseconds;
  while (scanf(" turn %d %d", &threads, &milliseconds) == 2 && threads >= 1 && threads <= MAX_THREADS)
    run_turn(threads, milliseconds);
  return 0;
}
