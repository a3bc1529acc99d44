/* call.c: a file's function called with arrays from files. */
#include "command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which arrays are keyword inputs ---- */

/* The names of all keyword inputs of all signatures, as a JSON list. */
static cJSON *keywords_of(pons_imported file) {
  char *text = pons_imported_show(file, "json");
  cJSON *shown = text ? cJSON_Parse(text) : NULL, *names = cJSON_CreateArray();
  pons_free(text);
  const cJSON *signatures = cJSON_GetObjectItem(shown, "signatures");
  for (const cJSON *s = signatures ? signatures->child : NULL; s; s = s->next) {
    const cJSON *inputs = cJSON_GetObjectItem(s, "inputs");
    for (const cJSON *i = inputs ? inputs->child : NULL; i; i = i->next) {
      const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(i, "keyword"));
      if (name) cJSON_AddItemToArray(names, cJSON_CreateString(name));
    }
  }
  cJSON_Delete(shown);
  return names;
}

static bool is_among(const cJSON *names, const char *name) {
  for (const cJSON *n = names ? names->child : NULL; n; n = n->next)
    if (strcmp(n->valuestring, name) == 0) return true;
  return false;
}

/* The number behind "arg" or "arr_", or -1. */
static long number_of(const char *name) {
  const char *digits = strncmp(name, "arg", 3) == 0    ? name + 3
                       : strncmp(name, "arr_", 4) == 0 ? name + 4
                                                       : "";
  char *end;
  const long n = strtol(digits, &end, 10);
  return *digits >= '0' && *digits <= '9' && !*end ? n : -1;
}

/* ---- arrays from files ---- */

typedef struct positional {
  pons_array array;
  long number;
} positional;

static int by_number(const void *a, const void *b) {
  const long x = ((const positional *)a)->number, y = ((const positional *)b)->number;
  return (x > y) - (x < y);
}

/* The arrays of one file behind those that are there: positional ones, numbered ones in order, into `in`;
   keyword ones into `named`. */
static void take_arrays(pons_named file, const cJSON *keywords, arguments *a, pons_array *named,
                        positional *room) {
  int n = 0;
  bool numbered = true;
  for (int64_t i = 0; i < pons_named_count(file); i++) {
    const char *key = pons_named_key(file, i);
    if (is_among(keywords, key)) {
      a->keywords[a->n_keywords] = key;
      named[a->n_keywords++] = pons_named_at(file, i);
      continue;
    }
    room[n] = (positional){pons_named_at(file, i), number_of(key)};
    numbered &= room[n++].number >= 0;
  }
  if (numbered) qsort(room, (size_t)n, sizeof *room, by_number);
  for (int i = 0; i < n; i++) a->in[a->count++] = room[i].array;
}

static bool load_files(const invocation *v, word_list paths, arguments *out, int64_t *arrays) {
  out->files = calloc((size_t)paths.count + 1, sizeof *out->files);
  for (int i = 0; out->files && i < paths.count; i++) {
    out->files[i] = pons_load(paths.at[i]);
    if (!out->files[i]) {
      complain_error(v);
      return false;
    }
    out->n_files++;
    *arrays += pons_named_count(out->files[i]);
  }
  return out->files != NULL;
}

bool arguments_load(const invocation *v, pons_imported file, word_list paths, arguments *out) {
  *out = (arguments){0};
  int64_t arrays = 1;
  if (!load_files(v, paths, out, &arrays)) return false;
  cJSON *keywords = keywords_of(file);
  pons_array *named = calloc((size_t)arrays, sizeof *named);
  positional *room = calloc((size_t)arrays, sizeof *room);
  out->in = calloc((size_t)arrays, sizeof *out->in);
  out->keywords = calloc((size_t)arrays, sizeof *out->keywords);
  const bool fine = keywords && named && room && out->in && out->keywords;
  if (!fine) complain(v, "out of memory");
  for (int i = 0; fine && i < out->n_files; i++) take_arrays(out->files[i], keywords, out, named, room);
  for (int i = 0; fine && i < out->n_keywords; i++) out->in[out->count++] = named[i];
  free(named);
  free(room);
  cJSON_Delete(keywords);
  return fine;
}

void arguments_free(arguments *a) {
  for (int i = 0; i < a->n_files; i++) pons_named_free(a->files[i]);
  free(a->files);
  free(a->in);
  free((void *)a->keywords);
}

/* ---- calls ---- */

int call_file(pons_imported file, const pons_array *in, int n_in, const char *const *keywords, int n_keywords,
              pons_array **out) {
  *out = NULL;
  const pons_scope scope = pons_scope_open();
  int count = pons_imported_call(file, in, n_in, keywords, n_keywords, NULL, 0);
  if (count >= 0 && (*out = calloc((size_t)count + 1, sizeof **out)) != NULL) {
    pons_imported_call(file, in, n_in, keywords, n_keywords, *out, count);
    for (int i = 0; i < count; i++) pons_keep((*out)[i]);
    if (!pons_eval_many(*out, count)) {
      results_free(*out, count);
      *out = NULL;
      count = -1;
    }
  }
  pons_scope_close(scope);
  return *out ? count : -1;
}

void results_free(pons_array *out, int count) {
  for (int i = 0; out && i < count; i++) pons_release(out[i]);
  free(out);
}
