/* programs.c: compiled kernels: each text once per device, kept in memory, and on disk for the next process.

   A file on disk is called after a hash of all that the binary depends on, and begins with all of it, so that a
   file of another text is never taken; it is written beside and renamed. What can't be read, written or loaded is
   as if it were not there. Those who know a shorter name of a text (the chains of fused.c) find its program by that. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ---- */

static char *joined(const char *folder, const char *name) {
  text t = {0};
  text_add(&t, "%s/%s", folder, name);
  return text_take(&t);
}

char *gpu_cache_folder(void) {
  const char *own = getenv("PONS_CACHE_DIR"), *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (own) return *own ? mem_text(own) : NULL;
  if (caches && *caches == '/') return joined(caches, "pons");
  return home && *home == '/' ? joined(home, ".cache/pons") : NULL;
}

/* Makes the folder and those above it; what is new can be read by its owner alone. */
static bool make_folder(char *path) {
  for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    const bool there = mkdir(path, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    if (!there) return false;
  }
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* ---- a file ---- */

/* In front of key and binary. */
typedef struct head {
  char magic[8];
  uint64_t key_size, binary_size, binary_hash;
} head;
static const char magic[] = "PONSGPU1"; /* without its end */

void gpu_ahead_key(text *key, const char *options, const char *whole) { text_add(key, " %s\n%s", options, whole); }

/* Takes the folder, which may be NULL. */
static char *file_in(char *folder, const text *key) {
  text path = {0};
  if (folder)
    text_add(&path, "%s/%016llx%016llx.kernel", folder,
             (unsigned long long)hash_bytes(key->at, key->length, 1),
             (unsigned long long)hash_bytes(key->at, key->length, 2));
  mem_free(folder);
  return path.at ? text_take(&path) : NULL;
}

/* The binary behind the head at the start of `bytes`, or NULL if the file is not of this key or not whole. */
static const char *binary_in(const char *bytes, size_t size, const text *key, size_t *binary_size) {
  head h;
  if (size < sizeof h) return NULL;
  memcpy(&h, bytes, sizeof h);
  if (memcmp(h.magic, magic, sizeof h.magic) != 0 || h.key_size != key->length) return NULL;
  if (size - sizeof h < h.key_size || size - sizeof h - h.key_size != h.binary_size) return NULL;
  if (memcmp(bytes + sizeof h, key->at, key->length) != 0) return NULL;
  const char *binary = bytes + sizeof h + key->length;
  *binary_size = h.binary_size;
  return hash_bytes(binary, h.binary_size, 0) == h.binary_hash ? binary : NULL;
}

static char *read_whole(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  long length = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
  char *bytes = length > 0 && fseek(f, 0, SEEK_SET) == 0 ? mem_alloc((size_t)length) : NULL;
  if (bytes && fread(bytes, 1, (size_t)length, f) != (size_t)length) {
    mem_free(bytes);
    bytes = NULL;
  }
  fclose(f);
  *size = bytes ? (size_t)length : 0;
  return bytes;
}

static void *load_kept(const gpu_backend *b, int index, const text *key, const char *path) {
  size_t size, binary_size;
  char *bytes = read_whole(path, &size);
  const char *binary = bytes ? binary_in(bytes, size, key, &binary_size) : NULL;
  void *module = binary ? b->load(index, binary, binary_size) : NULL;
  mem_free(bytes);
  return module;
}

static void keep(const text *key, const gpu_binary *binary, const char *path) {
  text beside = {0};
  char *folder = gpu_cache_folder();
  head h = {{0}, key->length, binary->size, hash_bytes(binary->bytes, binary->size, 0)};
  memcpy(h.magic, magic, sizeof h.magic);
  text_add(&beside, "%s.XXXXXX", path);
  const int file = folder && !beside.failed && make_folder(folder) ? mkstemp(beside.at) : -1;
  FILE *f = file >= 0 ? fdopen(file, "wb") : NULL;
  if (f) {
    bool fine = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(key->at, 1, key->length, f) == key->length &&
                fwrite(binary->bytes, 1, binary->size, f) == binary->size;
    fine = fclose(f) == 0 && fine;
    if (!fine || rename(beside.at, path) != 0) unlink(beside.at);
  } else if (file >= 0) {
    close(file);
    unlink(beside.at);
  }
  mem_free(folder);
  text_free(&beside);
}

/* ---- programs in memory ---- */

typedef struct program {
  struct program *next;
  const gpu_backend *backend;
  int index;
  gpu_source source; /* definitions are its own */
  char *name;
  void *entry;
} program;

enum { PLACES = 1024 };
static program *programs[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Of the text, if it was built ahead, and the device takes it. */
static void *load_ahead(const gpu_backend *b, int index, const gpu_source *s, const char *whole) {
  void *module = NULL;
  text key = {0};
  for (int tried = 0; !module && b->ahead && b->ahead(index, tried, &key); tried++) {
    gpu_binary binary = {0};
    gpu_ahead_key(&key, s->options, whole);
    if (!key.failed && gpu_archive_find(&key, &binary)) module = b->load(index, binary.bytes, binary.size);
    mem_free(binary.bytes);
    text_free(&key);
  }
  return module;
}

/* In front of what is compiled: the device and the options, one line. */
static void *module_of(const gpu_backend *b, int index, const char *name, const gpu_source *s, error **why) {
  text key = {0};
  gpu_binary binary = {0};
  b->identify(index, &key);
  text_add(&key, " %s\n", s->options);
  const size_t line = key.length;
  gpu_add_text(&key, s->prologue);
  text_add_string(&key, s->definitions);
  gpu_add_text(&key, s->body);
  if (key.failed) {
    text_free(&key);
    return *why = fail_no_memory(b->name), NULL;
  }
  char *path = file_in(gpu_cache_folder(), &key);
  void *module = path ? load_kept(b, index, &key, path) : NULL;
  if (!module) {
    module = b->compile(index, name, key.at + line, s->options, &binary, why);
    if (module && path && binary.size > 0) keep(&key, &binary, path);
    if (*why == error_declined() && (module = load_ahead(b, index, s, key.at + line))) *why = NULL;
  }
  mem_free(binary.bytes);
  mem_free(path);
  text_free(&key);
  return module;
}

static program *program_new(const program *wanted, error **why) {
  program *p = mem_alloc(sizeof *p);
  char *definitions = mem_text(wanted->source.definitions), *name = mem_text(wanted->name);
  if (!p || !definitions || !name)
    *why = fail_no_memory(wanted->backend->name);
  else {
    *p = *wanted;
    p->source.definitions = definitions;
    p->name = name;
    void *module = module_of(p->backend, p->index, name, &p->source, why);
    p->entry = module ? p->backend->entry(p->index, module, name, why) : NULL;
  }
  if (!*why) return p;
  mem_free(p);
  mem_free(definitions);
  mem_free(name);
  return NULL;
}

static bool is_same(const program *a, const program *b) {
  return a->source.body == b->source.body && a->source.prologue == b->source.prologue &&
         a->source.options == b->source.options && a->backend == b->backend && a->index == b->index &&
         !strcmp(a->name, b->name) && !strcmp(a->source.definitions, b->source.definitions);
}

void *gpu_program(const gpu_backend *b, int index, const gpu_source *s, const char *name, error **why) {
  program wanted = {.backend = b, .index = index, .source = *s, .name = (char *)name};
  if (!s->prologue) wanted.source.prologue = b->prologue;
  if (!s->options) wanted.source.options = b->options;
  const uint64_t hash =
      hash_bytes(s->definitions, strlen(s->definitions), (uint64_t)(uintptr_t)s->body + (uint64_t)index);
  program **place = &programs[hash % PLACES];
  pthread_mutex_lock(&lock);
  program *p = *place;
  while (p && !is_same(p, &wanted)) p = p->next;
  if (!p && (p = program_new(&wanted, why)) != NULL) {
    p->next = *place;
    *place = p;
  }
  pthread_mutex_unlock(&lock);
  return p ? p->entry : NULL;
}

/* ---- by a shorter name ---- */

typedef struct known {
  struct known *next;
  const gpu_backend *backend;
  void *entry;
  int index;
  size_t size;
  char key[];
} known;
static known *all_known[PLACES];

static known **place_of_key(int index, const void *key, size_t size) {
  return &all_known[hash_bytes(key, size, (uint64_t)index) % PLACES];
}

void *gpu_known_program(const gpu_backend *b, int index, const void *key, size_t size) {
  known **place = place_of_key(index, key, size);
  pthread_mutex_lock(&lock);
  const known *k = *place;
  while (k && !(k->backend == b && k->index == index && k->size == size && !memcmp(k->key, key, size))) k = k->next;
  pthread_mutex_unlock(&lock);
  return k ? k->entry : NULL;
}

/* Twice, where two threads compile it at once, is no harm; nor is it if there is no memory for it. */
void gpu_remember_program(const gpu_backend *b, int index, const void *key, size_t size, void *entry) {
  known *k = mem_alloc(sizeof *k + size);
  if (!k) return;
  *k = (known){.backend = b, .entry = entry, .index = index, .size = size};
  memcpy(k->key, key, size);
  known **place = place_of_key(index, key, size);
  pthread_mutex_lock(&lock);
  k->next = *place;
  *place = k;
  pthread_mutex_unlock(&lock);
}
