/* arrays.c: files of arrays for `pons show` and `pons convert`: what stands in them, and the same in another
   format. Nothing of the arrays is read to show them. */
#include "command.h"
#include <math.h>
#include <pons/ops.h>
#include <stdio.h>
#include <string.h>

bool is_function_file(const char *path) {
  const size_t length = strlen(path);
  return length >= 6 && strcmp(path + length - 6, ".mlxfn") == 0;
}

/* ---- metadata as JSON: {"type": "uint32", "value": 4} ---- */

/* `digits`: of a float. */
static cJSON *number(pons_dtype dtype, const void *data, int64_t i, int digits) {
  char text[40];
  if (dtype == PONS_BOOL) return cJSON_CreateBool(((const bool *)data)[i]);
  if (dtype == PONS_UINT64)
    snprintf(text, sizeof text, "%llu", (unsigned long long)((const uint64_t *)data)[i]);
  else if (dtype == PONS_INT64)
    snprintf(text, sizeof text, "%lld", (long long)((const int64_t *)data)[i]);
  else if (isfinite(((const double *)data)[i]))
    snprintf(text, sizeof text, "%.*g", digits, ((const double *)data)[i]);
  else
    return cJSON_CreateNull();
  return cJSON_CreateRaw(text);
}

static cJSON *numbers(pons_array a) {
  const pons_scope scope = pons_scope_open();
  const pons_dtype dtype = pons_dtype_of(a);
  const int digits = dtype == PONS_FLOAT32 ? 9 : 17;
  const bool wide = dtype == PONS_BOOL || dtype == PONS_UINT64;
  pons_array x = wide                                             ? a
                 : dtype == PONS_FLOAT32 || dtype == PONS_FLOAT64 ? pons_astype(a, PONS_FLOAT64)
                                                                  : pons_astype(a, PONS_INT64);
  const void *data = pons_data(x);
  cJSON *value = pons_ndim(x) || !data ? cJSON_CreateArray() : number(pons_dtype_of(x), data, 0, digits);
  for (int64_t i = 0; data && pons_ndim(x) && i < pons_size(x); i++)
    cJSON_AddItemToArray(value, number(pons_dtype_of(x), data, i, digits));
  pons_scope_close(scope);
  return value;
}

static cJSON *metadata_value(pons_named file, const char *key) {
  int64_t count;
  const char *text = pons_named_metadata(file, key);
  const char *const *texts = pons_named_metadata_texts(file, key, &count);
  pons_array a = pons_named_metadata_array(file, key);
  cJSON *entry = cJSON_CreateObject(), *value = text ? cJSON_CreateString(text)
                                                : a  ? numbers(a)
                                                     : cJSON_CreateArray();
  for (int64_t i = 0; texts && i < count; i++) cJSON_AddItemToArray(value, cJSON_CreateString(texts[i]));
  cJSON_AddStringToObject(entry, "type", text ? "text" : texts ? "texts" : pons_dtype_name(pons_dtype_of(a)));
  cJSON_AddItemToObject(entry, "value", value);
  return entry;
}

static cJSON *array_entry(pons_named file, int64_t i) {
  pons_array a = pons_named_at(file, i);
  cJSON *entry = cJSON_CreateObject(), *shape = cJSON_AddArrayToObject(entry, "shape");
  cJSON_AddStringToObject(entry, "name", pons_named_key(file, i));
  cJSON_AddStringToObject(entry, "dtype", pons_dtype_name(pons_dtype_of(a)));
  for (int k = 0; k < pons_ndim(a); k++)
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)pons_dim(a, k)));
  cJSON_AddNumberToObject(entry, "bytes", (double)pons_nbytes(a));
  return entry;
}

static cJSON *as_json(pons_named file) {
  cJSON *json = cJSON_CreateObject(), *arrays = cJSON_AddArrayToObject(json, "arrays"),
        *metadata = cJSON_AddObjectToObject(json, "metadata");
  for (int64_t i = 0; i < pons_named_count(file); i++) cJSON_AddItemToArray(arrays, array_entry(file, i));
  for (int64_t i = 0; i < pons_named_metadata_count(file); i++) {
    const char *key = pons_named_metadata_key(file, i);
    cJSON_AddItemToObject(metadata, key, metadata_value(file, key));
  }
  return json;
}

/* ---- in words ---- */

/* A value as JSON has it, lists after some entries cut short. */
static void print_value(const cJSON *value) {
  enum { SHOWN = 8 };
  int n = 0;
  char *text;
  if (cJSON_IsArray(value)) printf("[");
  for (const cJSON *i = cJSON_IsArray(value) ? value->child : value; i && n < SHOWN; n++) {
    text = cJSON_PrintUnformatted(i);
    printf(n ? ", %s" : "%s", text ? text : "");
    cJSON_free(text);
    i = cJSON_IsArray(value) ? i->next : NULL;
  }
  if (!cJSON_IsArray(value)) return;
  const int count = cJSON_GetArraySize(value);
  printf(count > SHOWN ? ", ... %d in all]" : "]", count);
}

static void print_words(const cJSON *json) {
  const cJSON *arrays = cJSON_GetObjectItem(json, "arrays"),
              *metadata = cJSON_GetObjectItem(json, "metadata");
  double bytes = 0;
  for (const cJSON *m = metadata->child; m; m = m->next) {
    printf("%s: %s ", m->string, cJSON_GetStringValue(cJSON_GetObjectItem(m, "type")));
    print_value(cJSON_GetObjectItem(m, "value"));
    printf("\n");
  }
  for (const cJSON *a = arrays->child; a; a = a->next) {
    bytes += cJSON_GetObjectItem(a, "bytes")->valuedouble;
    printf("%s  %s (", cJSON_GetStringValue(cJSON_GetObjectItem(a, "name")),
           cJSON_GetStringValue(cJSON_GetObjectItem(a, "dtype")));
    for (const cJSON *n = cJSON_GetObjectItem(a, "shape")->child; n; n = n->next)
      printf("%.0f%s", n->valuedouble, n->next ? ", " : "");
    printf(")\n");
  }
  printf("%d arrays of %.0f bytes, %d metadata entries\n", cJSON_GetArraySize(arrays), bytes,
         cJSON_GetArraySize(metadata));
}

int show_arrays(const invocation *v) {
  pons_named file = pons_load(v->words[0]);
  if (!file) return complain_error(v);
  cJSON *json = as_json(file);
  char *text = option_given(v, "--json") ? cJSON_Print(json) : NULL;
  if (text)
    printf("%s\n", text);
  else
    print_words(json);
  cJSON_free(text);
  cJSON_Delete(json);
  pons_named_free(file);
  return FINE;
}

/* ---- the same in another format ---- */

int convert_arrays(const invocation *v) {
  pons_named file = pons_load(v->words[0]);
  if (!file) return complain_error(v);
  while (option_given(v, "--no-metadata") && pons_named_metadata_count(file))
    pons_named_set_metadata(file, pons_named_metadata_key(file, 0), NULL);
  const bool fine = pons_save(v->words[1], file);
  pons_named_free(file);
  return fine ? FINE : complain_error(v);
}
