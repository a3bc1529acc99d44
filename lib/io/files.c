/* files.c: loading and saving. The first bytes or the path's ending tell the format, a row of formats.def. */
#include "formats.h"
#include <pons/eval.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool io_fail(const char *op, const char *format, ...) {
  char what[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  const pons_scope scope = pons_scope_open();
  pons_fail(op, "%s", what);
  pons_scope_close(scope);
  return false;
}

typedef struct format {
  const char *name, *ending;
  size_t place; /* of `first` in the file */
  const char *first;
  bool (*load)(source *s, pons_named into);
  bool (*save)(sink *to, pons_named arrays, const options *o);
} format;

static const format formats[] = {
#define FORMAT(name, ending, place, first, load, save) {#name, ending, place, first, load, save},
#include "formats.def"
#undef FORMAT
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const format *format_of_bytes(const source *s) {
  for (int i = 0; i < FORMATS; i++) {
    const size_t length = strlen(formats[i].first);
    if (s->count >= formats[i].place + length &&
        memcmp(s->bytes + formats[i].place, formats[i].first, length) == 0)
      return &formats[i];
  }
  source_wrong(s, 0, "neither .npy, .npz nor .safetensors starts like this");
  return NULL;
}

static const format *format_of_ending(const char *path) {
  const char *dot = strrchr(path, '.');
  for (int i = 0; dot && i < FORMATS; i++)
    if (strcmp(dot, formats[i].ending) == 0) return &formats[i];
  io_fail("save", "%s: the name ends in none of .npy, .npz, .safetensors", path);
  return NULL;
}

/* Ends the caller's reference. */
static pons_named load(source *s) {
  if (!s) return NULL;
  const format *f = format_of_bytes(s);
  pons_named named = f ? pons_named_new() : NULL;
  if (named) {
    const pons_scope scope = pons_scope_open();
    if (!f->load(s, named)) {
      pons_named_free(named);
      named = NULL;
    }
    pons_scope_close(scope);
  }
  source_release(s);
  return named;
}

pons_named pons_load(const char *path) {
  if (path) return load(source_open(path));
  io_fail("load", "no path given");
  return NULL;
}

pons_named pons_load_bytes(const void *bytes, size_t count, const char *name) {
  void *copy = malloc(count ? count : 1);
  if (!copy) {
    io_fail("load", "%s: out of memory: %zu bytes", name, count);
    return NULL;
  }
  if (count) memcpy(copy, bytes, count);
  return load(source_of_memory(copy, count, name));
}

pons_array pons_load_array(const char *path) {
  pons_named named = pons_load(path);
  if (!named) return pons_fail("load_array", "%s can't be loaded", path ? path : "NULL");
  const pons_scope scope = pons_scope_open();
  pons_array a = pons_named_at(named, 0);
  if (pons_named_count(named) != 1)
    a = pons_fail("load_array", "%s holds %lld arrays", path, (long long)pons_named_count(named));
  pons_scope_return(scope, a);
  pons_named_free(named);
  return a;
}

static bool save(const char *path, pons_named named, options o) {
  if (!path || !named) {
    io_fail("save", "no %s given", path ? "arrays" : "path");
    return false;
  }
  const format *f = format_of_ending(path);
  if (!f) return false;
  if (o.compress && strcmp(f->name, "npz") != 0) {
    io_fail("save", "%s: only .npz is compressed", path);
    return false;
  }
  const int64_t count = pons_named_count(named);
  pons_array *arrays = malloc((size_t)(count ? count : 1) * sizeof *arrays);
  for (int64_t i = 0; arrays && i < count; i++) arrays[i] = pons_named_at(named, i);
  if (!arrays) io_fail("save", "%s: out of memory", path);
  const bool computed = arrays && pons_eval_many(arrays, (int)count);
  free(arrays);
  sink *to = computed ? sink_open(path) : NULL;
  return to && sink_end(to, f->save(to, named, &o));
}

bool pons_save(const char *path, pons_named arrays) { return save(path, arrays, (options){0}); }

bool pons_save_compressed(const char *path, pons_named arrays) {
  return save(path, arrays, (options){.compress = true});
}

bool pons_save_array(const char *path, pons_array array) {
  pons_named named = pons_named_new();
  const bool done = named && pons_named_set(named, ONLY_NAME, array) && pons_save(path, named);
  pons_named_free(named);
  return done;
}
