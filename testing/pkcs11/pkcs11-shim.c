/*
 * A PKCS#11 library that forwards every call to another library, and injects the faults of a plan: it returns a
 * chosen CKR_*, changes a result, waits, hangs, or ends the process. It counts the calls of each function, in all threads of the process together.
 *
 * Each thread that loads the library runs a destructor of the library when it ends.
 *
 * HARDPROOF_SHIM_MODULE  The path of the library that receives the calls.
 * HARDPROOF_SHIM_PLAN    A file of lines "FUNCTION FROM TIMES ACTION VALUE UNTIL". A line applies from call FROM of the
 *                        function after the plan was written, for TIMES calls (0: all), until the function UNTIL is
 *                        called ("-": never). Actions of all functions: "return" (instead of the call; VALUE: CK_RV),
 *                        "after" (the same, after the call), "crash" (VALUE: signal), "delay" (VALUE: milliseconds),
 *                        "hang" (until the plan changes, at most a minute). Of C_GetTokenInfo: "set" and "unset"
 *                        (VALUE: flags), "most" (VALUE: maximum number of sessions), "blank" (VALUE: bytes of the serial
 *                        number that become NULs). Of C_OpenSession: "limit" (VALUE: number of sessions that can be open
 *                        at the same time). Of C_FindObjects: "endless" (VALUE: how often each call returns the first object). Of
 *                        C_GetAttributeValue: "imported" (CKA_LOCAL is true, and the generating mechanism unavailable),
 *                        "unavailable" (VALUE: an attribute whose length is 0xffffffff). Of C_GetMechanismList:
 *                        "noMechanisms" (returns an empty list).
 * HARDPROOF_SHIM_COUNTS  A file with one 64-bit call count per function, in the order of the list below, followed by
 *                        the number of open sessions, and the number of logins that were rejected for a wrong PIN.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cryptoki.h"

/* In milliseconds. Without a limit, a hang on the main thread would block the whole test run. */
enum { LONGEST_HANG = 60000 };

#define FUNCTIONS(X)                                                                                             \
  X(C_Initialize, (CK_VOID_PTR a), (a))                                                                          \
  X(C_Finalize, (CK_VOID_PTR a), (a))                                                                            \
  X(C_GetSlotList, (CK_BBOOL a, CK_SLOT_ID_PTR b, CK_ULONG_PTR c), (a, b, c))                                    \
  X(C_GetTokenInfo, (CK_SLOT_ID a, CK_TOKEN_INFO_PTR b), (a, b))                                                 \
  X(C_OpenSession, (CK_SLOT_ID a, CK_FLAGS b, CK_VOID_PTR c, CK_NOTIFY d, CK_SESSION_HANDLE_PTR e), (a, b, c, d, e)) \
  X(C_CloseSession, (CK_SESSION_HANDLE a), (a))                                                                  \
  X(C_GetSessionInfo, (CK_SESSION_HANDLE a, CK_SESSION_INFO_PTR b), (a, b))                                      \
  X(C_Login, (CK_SESSION_HANDLE a, CK_USER_TYPE b, CK_UTF8CHAR_PTR c, CK_ULONG d), (a, b, c, d))                 \
  X(C_FindObjectsInit, (CK_SESSION_HANDLE a, CK_ATTRIBUTE_PTR b, CK_ULONG c), (a, b, c))                         \
  X(C_FindObjects, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE_PTR b, CK_ULONG c, CK_ULONG_PTR d), (a, b, c, d))      \
  X(C_GetAttributeValue, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE_PTR c, CK_ULONG d), (a, b, c, d)) \
  X(C_SignInit, (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c), (a, b, c))                        \
  X(C_Sign, (CK_SESSION_HANDLE a, CK_BYTE_PTR b, CK_ULONG c, CK_BYTE_PTR d, CK_ULONG_PTR e), (a, b, c, d, e))    \
  X(C_GetInfo, (CK_INFO_PTR a), (a))                                                                             \
  X(C_GetSlotInfo, (CK_SLOT_ID a, CK_SLOT_INFO_PTR b), (a, b))                                                   \
  X(C_GetMechanismList, (CK_SLOT_ID a, CK_MECHANISM_TYPE_PTR b, CK_ULONG_PTR c), (a, b, c))                      \
  X(C_FindObjectsFinal, (CK_SESSION_HANDLE a), (a))                                                              \
  X(C_GenerateKeyPair, (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_ATTRIBUTE_PTR c, CK_ULONG d,                 \
    CK_ATTRIBUTE_PTR e, CK_ULONG f, CK_OBJECT_HANDLE_PTR g, CK_OBJECT_HANDLE_PTR h), (a, b, c, d, e, f, g, h))   \
  X(C_DestroyObject, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b), (a, b))

enum {
#define X(name, parameters, arguments) I_##name,
  FUNCTIONS(X)
#undef X
  FUNCTION_COUNT
};

static const char *const names[] = {
#define X(name, parameters, arguments) #name,
    FUNCTIONS(X)
#undef X
};

struct order {
  int function, until;
  unsigned long from, times, value;
  char action;
};

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;
static uint64_t *counts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct order orders[64];
static int order_count;
static unsigned long calls[FUNCTION_COUNT];
static struct stat current_plan;
static unsigned long open_sessions;
/* Distinguishes two plans even if the second one reuses the inode of the first. */
static unsigned long plan_number;

static int index_of(const char *name) {
  for (int i = 0; i < FUNCTION_COUNT; i++)
    if (strcmp(name, names[i]) == 0) return i;
  return -1;
}

/* The caller must hold the lock. A new plan is renamed into place, so a changed inode means a new plan. */
static void read_plan(void) {
  const char *path = getenv("HARDPROOF_SHIM_PLAN");
  struct stat now;
  if (!path || stat(path, &now) != 0) return;
  if (now.st_ino == current_plan.st_ino && now.st_mtim.tv_sec == current_plan.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == current_plan.st_mtim.tv_nsec)
    return;
  FILE *file = fopen(path, "r");
  if (!file) return;
  char name[64], action[16], until[64];
  unsigned long from, times, value;
  order_count = 0;
  while (order_count < 64 && fscanf(file, "%63s %lu %lu %15s %lu %63s", name, &from, &times, action, &value, until) == 6)
    orders[order_count++] = (struct order){index_of(name), index_of(until), from, times, value,
                                            strcmp(action, "unavailable") == 0 ? 'U' : action[0]};
  fclose(file);
  memset(calls, 0, sizeof calls);
  current_plan = now;
  plan_number++;
}

static struct order *find_order(int function, unsigned long call) {
  for (int i = 0; i < order_count; i++) {
    struct order *o = &orders[i];
    if (o->function == function && call >= o->from && (o->times == 0 || call < o->from + o->times)) return o;
  }
  return NULL;
}

/* Counts the call, and returns the order for it; delays the call or lets it hang if the plan contains that. */
static struct order begin_call(int function) {
  pthread_mutex_lock(&lock);
  read_plan();
  if (counts) counts[function]++;
  for (int i = 0; i < order_count; i++)
    if (orders[i].until == function) orders[i].function = -1;
  struct order *found = find_order(function, ++calls[function]);
  struct order order = found ? *found : (struct order){0};
  unsigned long plan = plan_number;
  pthread_mutex_unlock(&lock);
  if (order.action == 'd') usleep(order.value * 1000);
  for (int polls = LONGEST_HANG / 5; order.action == 'h' && polls > 0; polls--) {
    usleep(5000);
    pthread_mutex_lock(&lock);
    read_plan();
    if (plan_number != plan) order.action = 0;
    pthread_mutex_unlock(&lock);
  }
  return order;
}

/* Zero resets the number of open sessions. */
static void count_sessions(long change) {
  pthread_mutex_lock(&lock);
  open_sessions = change ? open_sessions + change : 0;
  if (counts) counts[FUNCTION_COUNT] = open_sessions;
  pthread_mutex_unlock(&lock);
}

static void count_wrong_pin(void) {
  pthread_mutex_lock(&lock);
  if (counts) counts[FUNCTION_COUNT + 1]++;
  pthread_mutex_unlock(&lock);
}

/* Changes the result of a successful call, and counts the sessions. */
static void change_result(struct order order, int function, void *second) {
  CK_TOKEN_INFO_PTR info = second;
  if (function == I_C_OpenSession) count_sessions(1);
  if (function == I_C_CloseSession) count_sessions(-1);
  if (function == I_C_Finalize) count_sessions(0);
  if (function != I_C_GetTokenInfo) return;
  if (order.action == 's') info->flags |= order.value;
  if (order.action == 'u') info->flags &= ~order.value;
  if (order.action == 'm') info->ulMaxSessionCount = order.value;
  if (order.action == 'b') memset(info->serialNumber, 0, order.value);
}

/* Changes attributes to what some libraries report. */
static void change_attributes(struct order order, CK_ATTRIBUTE_PTR attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    CK_ATTRIBUTE_PTR one = &attributes[i];
    if (order.action == 'U' && one->type == order.value) one->ulValueLen = 0xffffffff;
    if (order.action != 'i' || !one->pValue) continue;
    if (one->type == CKA_LOCAL) *(CK_BBOOL *)one->pValue = CK_TRUE;
    if (one->type == CKA_KEY_GEN_MECHANISM) memset(one->pValue, 0xff, sizeof(CK_ULONG));
  }
}

static CK_OBJECT_HANDLE first_object;
/* Turns a search into one that never ends: each call returns the first object this many times. */
static void repeat_first(CK_ULONG times, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR count) {
  if (*count > 0) first_object = objects[0];
  *count = times < max ? times : max;
  for (CK_ULONG i = 0; i < *count; i++) objects[i] = first_object;
}

#define AFTER_C_Initialize(order) ;
#define AFTER_C_Finalize(order) ;
#define AFTER_C_GetSlotList(order) ;
#define AFTER_C_GetTokenInfo(order) ;
#define AFTER_C_OpenSession(order) ;
#define AFTER_C_CloseSession(order) ;
#define AFTER_C_GetSessionInfo(order) ;
#define AFTER_C_Login(order) ;
#define AFTER_C_FindObjectsInit(order) ;
#define AFTER_C_SignInit(order) ;
#define AFTER_C_Sign(order) ;
#define AFTER_C_GetInfo(order) ;
#define AFTER_C_GetSlotInfo(order) ;
#define AFTER_C_GetMechanismList(order) if (order.action == 'n') *c = 0;
#define AFTER_C_FindObjectsFinal(order) ;
#define AFTER_C_GenerateKeyPair(order) ;
#define AFTER_C_DestroyObject(order) ;
#define AFTER_C_GetAttributeValue(order) change_attributes(order, c, d);
#define AFTER_C_FindObjects(order) if (order.action == 'e') repeat_first(order.value, b, c, d);
#define SECOND(a, ...) SECOND_OF(a, ##__VA_ARGS__, 0, 0)
#define SECOND_OF(a, b, ...) (void *)(uintptr_t)(b)
#define X(name, parameters, arguments)                                                        \
  static CK_RV shim_##name parameters {                                                       \
    struct order order = begin_call(I_##name);                                                \
    if (order.action == 'r') return order.value;                                              \
    if (order.action == 'c') kill(getpid(), order.value);                                     \
    if (order.action == 'l' && open_sessions >= order.value) return CKR_SESSION_COUNT;        \
    CK_RV rv = real->name arguments;                                                          \
    if (rv == CKR_PIN_INCORRECT) count_wrong_pin();                                           \
    if (rv == CKR_OK) change_result(order, I_##name, SECOND arguments);                       \
    if (rv == CKR_OK) AFTER_##name(order)                                                     \
    return order.action == 'a' ? order.value : rv;                                            \
  }
FUNCTIONS(X)
#undef X

/* As in Kryoptic, each thread that has loaded the library runs a destructor of the library when it ends. */
static pthread_key_t thread_end;
static volatile unsigned long ended_threads;
static void end_thread(void *value) { ended_threads += value != NULL; }

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (!real) {
    if (pthread_key_create(&thread_end, end_thread) != 0) return CKR_HOST_MEMORY;
    void *library = dlopen(getenv("HARDPROOF_SHIM_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = library ? dlsym(library, "C_GetFunctionList") : NULL;
    if (!get || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
    list = *real;
#define X(name, parameters, arguments) list.name = shim_##name;
    FUNCTIONS(X)
#undef X
    list.C_GetFunctionList = C_GetFunctionList;
    const char *path = getenv("HARDPROOF_SHIM_COUNTS");
    int file = path ? open(path, O_RDWR) : -1;
    if (file >= 0) counts = mmap(NULL, sizeof(uint64_t) * (FUNCTION_COUNT + 2), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED) counts = NULL;
  }
  pthread_setspecific(thread_end, &list);
  *out = &list;
  return CKR_OK;
}
