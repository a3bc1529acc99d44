/* random_inputs.c: inputs for a file's function where nobody gave any: random numbers that are the same for the same seed. */
#include "command.h"
#include <pons/ops.h>
#include <pons/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole numbers are below this, since they may be indices. */
enum { WHOLE_BELOW = 2 };

static pons_dtype dtype_called(const char *name) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (name && strcmp(pons_dtype_name((pons_dtype)d), name) == 0) return (pons_dtype)d;
  return PONS_FLOAT32;
}

static pons_array random_array(pons_dtype dtype, pons_shape shape, pons_array key) {
  const bool is_float =
      dtype == PONS_FLOAT32 || dtype == PONS_FLOAT16 || dtype == PONS_BFLOAT16 ||
      pons_isdtype(dtype, "complex floating");
  if (is_float) return pons_random_normal(shape, dtype, NULL, NULL, key);
  if (dtype == PONS_FLOAT64)
    return pons_astype(pons_random_normal(shape, PONS_FLOAT32, NULL, NULL, key), dtype);
  if (dtype == PONS_BOOL) return pons_random_bernoulli(pons_float(0.5), shape, key);
  return pons_astype(pons_random_randint(pons_int(0), pons_int(WHOLE_BELOW), shape, PONS_INT32, key), dtype);
}

/* Into the arguments' file, under its keyword or its number. */
static bool add_input(const cJSON *input, int index, uint64_t seed, arguments *out) {
  const cJSON *sizes = cJSON_GetObjectItem(input, "shape");
  const char *keyword = cJSON_GetStringValue(cJSON_GetObjectItem(input, "keyword"));
  int64_t dims[PONS_MAX_NDIM];
  char number[24];
  int n = 0;
  for (const cJSON *i = sizes ? sizes->child : NULL; i && n < PONS_MAX_NDIM; i = i->next)
    dims[n++] = (int64_t)i->valuedouble;
  snprintf(number, sizeof number, "%d", index);
  const pons_scope scope = pons_scope_open();
  pons_array a = random_array(dtype_called(cJSON_GetStringValue(cJSON_GetObjectItem(input, "dtype"))),
                              (pons_shape){n, dims}, pons_random_key(seed + (uint64_t)index));
  const bool fine = pons_eval(a) && pons_named_set(out->files[0], keyword ? keyword : number, a);
  pons_scope_close(scope);
  if (!fine) return false;
  out->in[out->count++] = pons_named_at(out->files[0], index);
  if (keyword) out->keywords[out->n_keywords++] = pons_named_key(out->files[0], index);
  return true;
}

bool arguments_random(const invocation *v, pons_imported file, uint64_t seed, arguments *out) {
  *out = (arguments){0};
  char *text = pons_imported_show(file, "json");
  cJSON *shown = text ? cJSON_Parse(text) : NULL;
  pons_free(text);
  const cJSON *inputs =
      cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(shown, "signatures"), 0), "inputs");
  const size_t count = (size_t)cJSON_GetArraySize(inputs);
  out->files = calloc(1, sizeof *out->files);
  out->in = calloc(count + 1, sizeof *out->in);
  out->keywords = calloc(count + 1, sizeof *out->keywords);
  bool fine = inputs && out->files && out->in && out->keywords;
  if (fine && (out->files[0] = pons_named_new())) out->n_files = 1;
  fine = fine && out->n_files == 1;
  if (!fine) complain(v, "the file has no signature, or there is no memory for its inputs");
  int index = 0;
  for (const cJSON *i = inputs ? inputs->child : NULL; fine && i; i = i->next) {
    fine = add_input(i, index++, seed, out);
    if (!fine) complain_error(v);
  }
  cJSON_Delete(shown);
  return fine;
}
