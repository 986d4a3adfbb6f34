/*
 * An OpenSSL provider with a STORE loader for the schemes `aws-kms:` and `stub:`, whose keys are files in the directory of the
 * environment variable STORE_PROVIDER_DIR. What follows the scheme is the key's name; files decide on what happens:
 *
 *   NAME.key    the key: PKCS#8, or SubjectPublicKeyInfo, in DER
 *   NAME.pin    the PIN that the key needs
 *   NAME.slow   the loader takes a second
 *   NAME.hang   the loader doesn't return as long as this file exists
 *   NAME.fails  the loader fails once, and removes this file
 *
 * Each call appends a line to the file `log`: `open NAME`, `pin NAME`, `wrong NAME`.
 */
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEY 16384

typedef struct {
  char name[128];
  int done;
} LOADER;

static void path_of(char *path, size_t size, const char *name, const char *suffix) {
  const char *directory = getenv("STORE_PROVIDER_DIR");
  snprintf(path, size, "%s/%s%s", directory ? directory : ".", name, suffix);
}

static int exists(const char *name, const char *suffix) {
  char path[512];
  path_of(path, sizeof path, name, suffix);
  return access(path, F_OK) == 0;
}

static size_t read_file(const char *name, const char *suffix, char *buffer, size_t size) {
  char path[512];
  path_of(path, sizeof path, name, suffix);
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  size_t length = fread(buffer, 1, size, file);
  fclose(file);
  return length;
}

static void write_log(const char *event, const char *name) {
  char path[512];
  path_of(path, sizeof path, "log", "");
  FILE *file = fopen(path, "a");
  if (!file) return;
  fprintf(file, "%s %s\n", event, name);
  fclose(file);
}

static void *store_open(void *provider, const char *uri) {
  (void)provider;
  const char *colon = strchr(uri, ':');
  LOADER *loader = calloc(1, sizeof *loader);
  if (!colon || !loader) return NULL;
  snprintf(loader->name, sizeof loader->name, "%s", colon + 1);
  loader->name[strcspn(loader->name, "?")] = '\0';
  write_log("open", loader->name);
  return loader;
}

static int has_right_pin(const char *name, OSSL_PASSPHRASE_CALLBACK *ask, void *arg) {
  char right[64] = {0}, pin[64] = {0};
  size_t length = 0;
  if (read_file(name, ".pin", right, sizeof right - 1) == 0) return 1;
  if (!ask(pin, sizeof pin - 1, &length, NULL, arg)) return 0;
  int matches = length == strlen(right) && memcmp(pin, right, length) == 0;
  write_log(matches ? "pin" : "wrong", name);
  return matches;
}

static int store_load(void *ctx, OSSL_CALLBACK *object, void *object_arg, OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg) {
  LOADER *loader = ctx;
  char key[MAX_KEY], path[512];
  loader->done = 1;
  if (exists(loader->name, ".slow")) sleep(1);
  while (exists(loader->name, ".hang")) usleep(10000);
  path_of(path, sizeof path, loader->name, ".fails");
  if (unlink(path) == 0) return 0;
  if (!has_right_pin(loader->name, ask, ask_arg)) return 0;
  size_t length = read_file(loader->name, ".key", key, sizeof key);
  if (length == 0) return 0;
  int type = OSSL_OBJECT_PKEY;
  OSSL_PARAM params[] = {
      {OSSL_OBJECT_PARAM_TYPE, OSSL_PARAM_INTEGER, &type, sizeof type, OSSL_PARAM_UNMODIFIED},
      {OSSL_OBJECT_PARAM_DATA, OSSL_PARAM_OCTET_STRING, key, length, OSSL_PARAM_UNMODIFIED},
      {NULL, 0, NULL, 0, 0},
  };
  return object(params, object_arg);
}

static int store_eof(void *ctx) { return ((LOADER *)ctx)->done; }

static int store_close(void *ctx) {
  free(ctx);
  return 1;
}

static int store_set_params(void *ctx, const OSSL_PARAM params[]) {
  (void)ctx, (void)params;
  return 1;
}

static const OSSL_DISPATCH STORE[] = {
    {OSSL_FUNC_STORE_OPEN, (void (*)(void))store_open},
    {OSSL_FUNC_STORE_SET_CTX_PARAMS, (void (*)(void))store_set_params},
    {OSSL_FUNC_STORE_LOAD, (void (*)(void))store_load},
    {OSSL_FUNC_STORE_EOF, (void (*)(void))store_eof},
    {OSSL_FUNC_STORE_CLOSE, (void (*)(void))store_close},
    {0, NULL},
};

static const OSSL_ALGORITHM STORES[] = {
    {"aws-kms", "provider=store-provider", STORE, "keys in files"},
    {"stub", "provider=store-provider", STORE, "keys in files"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache) {
  (void)provider;
  *no_cache = 0;
  return operation == OSSL_OP_STORE ? STORES : NULL;
}

static const OSSL_DISPATCH PROVIDER[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {0, NULL},
};

int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
  (void)in;
  *out = PROVIDER;
  *context = (void *)core;
  return 1;
}
