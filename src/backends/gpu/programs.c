/* programs.c: compiled kernels: each text once per device, kept in memory, and on disk for the next process (cache.c).

   What can't be read, written or loaded is as if it were not there. Those who know a shorter name of a text (the chains of fused.c) find
   its program by that. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <pthread.h>

void gpu_ahead_key(text *key, const char *options, const char *whole) { text_add(key, " %s\n%s", options, whole); }

static const char ending[] = "kernel";
static void *load_kept(const gpu_backend *b, int index, const text *key) {
  size_t size;
  void *binary = gpu_cache_load(key, ending, &size), *module = binary ? b->load(index, binary, size) : NULL;
  mem_free(binary);
  return module;
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
  void *module = load_kept(b, index, &key);
  if (!module) {
    char *folder = gpu_cache_folder(); /* NULL: nothing is kept */
    module = b->compile(index, name, key.at + line, s->options, folder ? &binary : NULL, why);
    mem_free(folder);
    if (module && binary.size > 0) gpu_cache_keep(&key, ending, binary.bytes, binary.size);
    if (*why == error_declined() && (module = load_ahead(b, index, s, key.at + line))) *why = NULL;
  }
  mem_free(binary.bytes);
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
