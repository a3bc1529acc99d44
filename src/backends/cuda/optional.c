/* optional.c: libraries that are used where they are found, each looked for when it is asked for. They are large: what does not
   need one does not load it. Uses optional.h. */
#include "backends/cuda/optional.h"
#include <pthread.h>
#include <stdlib.h>

static bool is_fit(void *library, const char *path, void *context) {
  (void)path;
  const cuda_optional *o = context;
  return library_symbols(library, o->symbols, o->n_symbols, o->entries) && (!o->is_fit || o->is_fit());
}

static bool is_unwanted(const cuda_optional *o) {
  const char *given = getenv(o->variable);
  return given && !*given;
}

static void *look_for(cuda_optional *o) {
  void *library = NULL;
  if (is_unwanted(o)) return NULL;
  if (!o->newest) return cuda_library_open(o->variable, o->stem, is_fit, o);
  for (int version = o->newest; version >= o->oldest && !library; version--)
    library = cuda_library_open_version(o->variable, o->stem, version, is_fit, o);
  return library;
}

bool cuda_find_optional(cuda_optional *o) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  if (!atomic_load(&o->looked_for)) {
    cuda(); /* says which versions will do */
    pthread_mutex_lock(&lock);
    if (!atomic_load(&o->looked_for)) o->library = look_for(o);
    atomic_store(&o->looked_for, true);
    pthread_mutex_unlock(&lock);
  }
  return o->library != NULL;
}

void cuda_report_optional(text *json, cuda_optional *o) {
  text_add(json, "\"%s\": {", o->name);
  if (cuda_find_optional(o)) {
    const char *path = library_path(o->library, o->symbols[0]);
    if (o->version) text_add(json, "\"version\": %zu, ", o->version());
    text_add(json, "\"path\": ");
    text_add_json(json, path ? path : "unknown");
  } else if (is_unwanted(o)) {
    text_add(json, "\"missing\": \"%s is empty\", \"instead\": \"%s\"", o->variable, o->instead);
  } else {
    text_add(json,
             "\"missing\": \"no %s of the driver's version of CUDA or an older one\", \"instead\": \"%s\", "
             "\"remedy\": \"pip install %s, or the CUDA toolkit; name its folder in %s\"",
             o->stem, o->instead, o->package, o->variable);
  }
  text_add(json, "}");
}
