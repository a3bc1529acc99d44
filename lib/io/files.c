/* files.c: loading and saving. The first bytes or the path's ending tell the format, a row of formats.def. */
#include "formats.h"
#include <pons/eval.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool io_fail_as(pons_error_kind kind, const char *op, const char *format, ...) {
  char what[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  const pons_scope scope = pons_scope_open();
  pons_fail_as(kind, op, "%s", what);
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

/* ".npy, .npz, ..." */
static const char *all_endings(char *text, size_t room) {
  size_t at = 0;
  for (int i = 0; i < FORMATS; i++)
    at += (size_t)snprintf(text + at, room - at, "%s%s", i ? ", " : "", formats[i].ending);
  return text;
}

static bool starts_as(const source *s, const format *f) {
  const size_t length = strlen(f->first);
  return s->count >= f->place + length && memcmp(s->bytes + f->place, f->first, length) == 0;
}

static const format *format_of_bytes(const source *s) {
  char endings[64];
  for (int i = 0; i < FORMATS; i++)
    if (starts_as(s, &formats[i])) return &formats[i];
  source_wrong(s, 0, "no format starts like this (%s)", all_endings(endings, sizeof endings));
  return NULL;
}

static const format *format_named(const char *op, const char *name) {
  char endings[64];
  for (int i = 0; name && i < FORMATS; i++)
    if (strcmp(name, formats[i].name) == 0) return &formats[i];
  io_fail(op, "no format is called \"%s\"; there are %s", name ? name : "",
          all_endings(endings, sizeof endings));
  return NULL;
}

static const format *format_of_ending(const char *path) {
  const char *dot = strrchr(path, '.');
  char endings[64];
  for (int i = 0; dot && i < FORMATS; i++)
    if (strcmp(dot, formats[i].ending) == 0) return &formats[i];
  io_fail("save", "%s: the name ends in none of %s", path, all_endings(endings, sizeof endings));
  return NULL;
}

/* ---- loading ---- */

static const format *format_for(const source *s, const char *name) {
  if (!name) return format_of_bytes(s);
  const format *f = format_named("load", name);
  if (!f || starts_as(s, f)) return f;
  source_wrong(s, 0, "no %s file starts like this", f->ending);
  return NULL;
}

/* Ends the caller's reference. */
static pons_named load(source *s, const char *name) {
  if (!s) return NULL;
  const format *f = format_for(s, name);
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

pons_named pons_load_with(struct pons_load_args args) {
  if (args.path) return load(source_open(args.path), args.format);
  io_fail("load", "no path given");
  return NULL;
}

pons_named pons_load_bytes_with(struct pons_load_bytes_args args) {
  const char *name = args.name ? args.name : "bytes";
  void *copy = malloc(args.count ? args.count : 1);
  if (!copy) {
    io_fail_as(PONS_ERROR_MEMORY, "load", "%s: out of memory: %zu bytes", name, args.count);
    return NULL;
  }
  if (args.count) memcpy(copy, args.bytes, args.count);
  return load(source_of_memory(copy, args.count, name), args.format);
}

pons_array pons_load_array(const char *path) {
  pons_named named = pons_load(path);
  if (!named)
    return pons_fail_as(pons_last_error_kind(), "load_array", "%s can't be loaded", path ? path : "NULL");
  const pons_scope scope = pons_scope_open();
  pons_array a = pons_named_at(named, 0);
  if (pons_named_count(named) != 1)
    a = pons_fail("load_array", "%s holds %lld arrays", path, (long long)pons_named_count(named));
  pons_scope_return(scope, a);
  pons_named_free(named);
  return a;
}

/* ---- saving ---- */

bool metadata_is_none(pons_named arrays, const char *ending) {
  return pons_named_metadata_count(arrays) == 0 ||
         io_fail("save", "%s files hold no metadata, and there is \"%s\"", ending,
                 pons_named_metadata_key(arrays, 0));
}

static bool compute(pons_named named) {
  const int64_t count = pons_named_count(named);
  pons_array *arrays = malloc((size_t)(count ? count : 1) * sizeof *arrays);
  for (int64_t i = 0; arrays && i < count; i++) arrays[i] = pons_named_at(named, i);
  if (!arrays) io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory for %lld arrays", (long long)count);
  const bool computed = arrays && pons_eval_many(arrays, (int)count);
  free(arrays);
  return computed;
}

static bool save(const char *path, const format *f, pons_named named, options o) {
  sink *to = compute(named) ? sink_open(path) : NULL;
  return to && sink_end(to, f->save(to, named, &o));
}

static bool given(const char *path, pons_named named) {
  return (path && named) || io_fail("save", "no %s given", path ? "arrays" : "path");
}

bool pons_save(const char *path, pons_named arrays) {
  const format *f = given(path, arrays) ? format_of_ending(path) : NULL;
  return f && save(path, f, arrays, (options){0});
}

/* The format's ending is appended if `path` lacks it. */
static bool save_as(const char *name, const char *path, pons_named arrays, options o) {
  if (!given(path, arrays)) return false;
  const format *f = format_named("save", name);
  const size_t length = strlen(path), ending = strlen(f->ending);
  if (length >= ending && strcmp(path + length - ending, f->ending) == 0) return save(path, f, arrays, o);
  char *whole = malloc(length + ending + 1);
  if (!whole) return io_fail_as(PONS_ERROR_MEMORY, "save", "%s: out of memory", path);
  memcpy(whole, path, length);
  memcpy(whole + length, f->ending, ending + 1);
  const bool done = save(whole, f, arrays, o);
  free(whole);
  return done;
}

bool pons_savez(const char *path, pons_named arrays) { return save_as("npz", path, arrays, (options){0}); }

bool pons_savez_compressed(const char *path, pons_named arrays) {
  return save_as("npz", path, arrays, (options){.compress = true});
}

bool pons_save_safetensors(const char *path, pons_named arrays) {
  return save_as("safetensors", path, arrays, (options){0});
}

bool pons_save_gguf(const char *path, pons_named arrays) {
  return save_as("gguf", path, arrays, (options){0});
}

void *pons_save_bytes(const char *name, pons_named arrays, size_t *count) {
  const format *f = given("", arrays) ? format_named("save", name) : NULL;
  sink *to = f && compute(arrays) ? sink_to_memory() : NULL;
  const options o = {0};
  return to ? sink_take(to, f->save(to, arrays, &o), count) : NULL;
}

bool pons_save_array(const char *path, pons_array array) {
  pons_named named = pons_named_new();
  const bool done = named && pons_named_set(named, ONLY_NAME, array) && pons_save(path, named);
  pons_named_free(named);
  return done;
}
