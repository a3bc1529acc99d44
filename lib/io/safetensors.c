/* safetensors.c: the format of safetensors.

     n (8 bytes) | n bytes of JSON, padded with spaces | data

     {"__metadata__": {TEXT: TEXT}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]},
     ...}

   Offsets count from the start of the data, which the tensors fill without holes or overlap. Beyond the
   public list of dtypes: C64, as MLX has it; 8-bit floats are read as uint8. JSON is cJSON's. */
#include "formats.h"
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LONGEST_HEADER = 100000000; /* what the format's own reader allows */

static const struct {
  const char *name;
  pons_dtype dtype;
} dtypes[] = {{"BOOL", PONS_BOOL},     {"U8", PONS_UINT8},      {"U16", PONS_UINT16},
              {"U32", PONS_UINT32},    {"U64", PONS_UINT64},    {"I8", PONS_INT8},
              {"I16", PONS_INT16},     {"I32", PONS_INT32},     {"I64", PONS_INT64},
              {"F16", PONS_FLOAT16},   {"F32", PONS_FLOAT32},   {"F64", PONS_FLOAT64},
              {"BF16", PONS_BFLOAT16}, {"C64", PONS_COMPLEX64}, {"F8_E4M3", PONS_UINT8},
              {"F8_E5M2", PONS_UINT8}, {"F8_E8M0", PONS_UINT8}};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- reading ---- */

typedef struct tensor {
  const char *name; /* in the JSON */
  pons_dtype dtype;
  pons_shape shape;
  int64_t dims[PONS_MAX_NDIM];
  uint64_t begin, end;
} tensor;

/* A JSON number that is a size. cJSON holds doubles: exact up to 2^53. */
static bool is_size(const cJSON *number, uint64_t *size) {
  if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0 && number->valuedouble <= 9007199254740992.0))
    return false;
  *size = (uint64_t)number->valuedouble;
  return (double)*size == number->valuedouble;
}

static bool read_dtype(const source *s, const cJSON *text, tensor *t) {
  if (!cJSON_IsString(text)) return source_wrong(s, 8, "tensor \"%s\" has no dtype", t->name);
  for (int i = 0; i < DTYPES; i++) {
    t->dtype = dtypes[i].dtype;
    if (strcmp(text->valuestring, dtypes[i].name) == 0) return true;
  }
  return source_wrong(s, 8, "tensor \"%s\": dtype %s is not supported", t->name, text->valuestring);
}

static bool read_shape(const source *s, const cJSON *list, tensor *t) {
  if (!cJSON_IsArray(list)) return source_wrong(s, 8, "tensor \"%s\" has no shape", t->name);
  const cJSON *number;
  cJSON_ArrayForEach(number, list) {
    uint64_t size;
    if (!is_size(number, &size))
      return source_wrong(s, 8, "tensor \"%s\": a size of its shape is none", t->name);
    if (t->shape.count == PONS_MAX_NDIM)
      return source_wrong(s, 8, "tensor \"%s\" has more than %d axes", t->name, PONS_MAX_NDIM);
    t->dims[t->shape.count++] = (int64_t)size;
  }
  return true;
}

static bool read_tensor(const source *s, const cJSON *entry, uint64_t data, tensor *t) {
  *t = (tensor){.name = entry->string};
  t->shape.at = t->dims;
  if (!cJSON_IsObject(entry)) return source_wrong(s, 8, "tensor \"%s\" is no JSON object", t->name);
  const cJSON *dtype = NULL, *shape = NULL, *offsets = NULL, *item;
  cJSON_ArrayForEach(item, entry) {
    const cJSON **slot = strcmp(item->string, "dtype") == 0          ? &dtype
                         : strcmp(item->string, "shape") == 0        ? &shape
                         : strcmp(item->string, "data_offsets") == 0 ? &offsets
                                                                     : NULL;
    if (slot && *slot) return source_wrong(s, 8, "tensor \"%s\" has two %s", t->name, item->string);
    if (slot) *slot = item;
  }
  if (!read_dtype(s, dtype, t) || !read_shape(s, shape, t)) return false;
  if (!cJSON_IsArray(offsets) || !offsets->child || !offsets->child->next || offsets->child->next->next ||
      !is_size(offsets->child, &t->begin) || !is_size(offsets->child->next, &t->end))
    return source_wrong(s, 8, "tensor \"%s\": data_offsets are not two sizes", t->name);
  uint64_t bytes;
  if (t->begin > t->end || t->end > s->count - data)
    return source_wrong(s, 8, "tensor \"%s\": data_offsets [%llu, %llu] don't fit the %llu bytes of data",
                        t->name, (unsigned long long)t->begin, (unsigned long long)t->end,
                        (unsigned long long)(s->count - data));
  if (!source_size(s, data + t->begin, t->shape, t->dtype, t->end - t->begin, &bytes)) return false;
  if (bytes != t->end - t->begin)
    return source_wrong(s, data + t->begin,
                        "tensor \"%s\": shape and dtype need %llu bytes, data_offsets give %llu", t->name,
                        (unsigned long long)bytes, (unsigned long long)(t->end - t->begin));
  return true;
}

static int by_place(const void *a, const void *b) {
  const tensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* The tensors fill the data. Sorts them. */
static bool check_places(const source *s, uint64_t data, tensor *tensors, size_t count) {
  qsort(tensors, count, sizeof *tensors, by_place);
  uint64_t at = 0;
  for (size_t i = 0; i < count; at = tensors[i++].end)
    if (tensors[i].begin != at)
      return source_wrong(s, data + at,
                          tensors[i].begin < at ? "tensor \"%s\" overlaps the one before it"
                                                : "bytes before tensor \"%s\" belong to none",
                          tensors[i].name);
  return at == s->count - data || source_wrong(s, data + at, "the last %llu bytes belong to no tensor",
                                               (unsigned long long)(s->count - data - at));
}

static bool read_metadata(const source *s, const cJSON *entry, pons_named into) {
  if (cJSON_IsNull(entry)) return true; /* as MLX writes it when there is none */
  if (!cJSON_IsObject(entry)) return source_wrong(s, 8, "__metadata__ is no JSON object");
  const cJSON *item;
  cJSON_ArrayForEach(item, entry) {
    if (!cJSON_IsString(item)) return source_wrong(s, 8, "metadata \"%s\" is no text", item->string);
    if (pons_named_metadata(into, item->string))
      return source_wrong(s, 8, "there are two metadata \"%s\"", item->string);
    if (!pons_named_set_metadata(into, item->string, item->valuestring)) return false;
  }
  return true;
}

/* Fills tensors[*count] from the JSON, in its order, and metadata into `into`. */
static bool read_entries(source *s, const cJSON *json, uint64_t data, tensor *tensors, size_t *count,
                         pons_named into) {
  const cJSON *entry;
  bool metadata = false;
  cJSON_ArrayForEach(entry, json) {
    if (strcmp(entry->string, "__metadata__") == 0) {
      if (metadata) return source_wrong(s, 8, "there are two __metadata__");
      metadata = true;
      if (!read_metadata(s, entry, into)) return false;
      continue;
    }
    tensor *t = &tensors[(*count)++];
    if (!read_tensor(s, entry, data, t)) return false;
    if (pons_named_find(into, t->name) >= 0)
      return source_wrong(s, 8, "there are two tensors \"%s\"", t->name);
    pons_array a = source_array(s, data + t->begin, t->shape, t->dtype, false);
    if (!a || !pons_named_set(into, t->name, a)) return false;
  }
  return true;
}

static cJSON *parse(const source *s, uint64_t n) {
  const char *text = (const char *)s->bytes + 8, *end = text;
  cJSON *json = cJSON_ParseWithLengthOpts(text, (size_t)n, &end, false);
  if (!json) {
    source_wrong(s, (uint64_t)((const unsigned char *)end - s->bytes),
                 "the header is not sound JSON, or memory ran out");
    return NULL;
  }
  while (end < text + n && strchr(" \t\r\n", *end) && *end) end++;
  const bool whole = end == text + n;
  if (whole && cJSON_IsObject(json)) return json;
  source_wrong(s, whole ? 8 : (uint64_t)((const unsigned char *)end - s->bytes),
               whole ? "the header is no JSON object" : "something stands behind the header's JSON");
  cJSON_Delete(json);
  return NULL;
}

bool safetensors_load(source *s, pons_named into) {
  const uint64_t n = source_u64(s, 0); /* the format was told by byte 8 */
  if (n == 0 || n > LONGEST_HEADER || n > s->count - 8)
    return source_wrong(s, 0, "a header of %llu bytes doesn't fit the file of %zu bytes",
                        (unsigned long long)n, s->count);
  cJSON *json = parse(s, n);
  if (!json) return false;
  const size_t entries = (size_t)cJSON_GetArraySize(json);
  tensor *tensors = malloc((entries ? entries : 1) * sizeof *tensors);
  size_t count = 0;
  bool good = tensors != NULL;
  if (!good) source_wrong(s, 8, "out of memory for %zu tensors", entries);
  good =
      good && read_entries(s, json, 8 + n, tensors, &count, into) && check_places(s, 8 + n, tensors, count);
  free(tensors);
  cJSON_Delete(json);
  return good;
}

/* ---- writing ---- */

typedef struct placed {
  int64_t index; /* in the named arrays */
  size_t width, bytes;
  const char *name;
  uint64_t begin;
} placed;

/* Wide elements first, so that all are aligned without holes. */
static int by_width(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->width != y->width) return x->width > y->width ? -1 : 1;
  return strcmp(x->name, y->name);
}

static int by_index(const void *a, const void *b) {
  const placed *x = a, *y = b;
  return (x->index > y->index) - (x->index < y->index);
}

/* "[2,3]" */
static bool add_sizes(cJSON *to, const char *key, const int64_t *sizes, int count) {
  char text[PONS_MAX_NDIM * 21 + 3] = "[";
  size_t at = 1;
  for (int i = 0; i < count; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? "," : "", (long long)sizes[i]);
  snprintf(text + at, sizeof text - at, "]");
  return cJSON_AddRawToObject(to, key, text) != NULL;
}

static const char *name_of(pons_dtype d) {
  const char *name = NULL; /* uint8 has several: the first */
  for (int i = DTYPES; i-- > 0;)
    if (dtypes[i].dtype == d) name = dtypes[i].name;
  return name;
}

static bool add_tensor(cJSON *to, pons_array a, const placed *p) {
  const char *dtype = name_of(pons_dtype_of(a));
  const int64_t offsets[2] = {(int64_t)p->begin, (int64_t)(p->begin + p->bytes)};
  const pons_shape shape = pons_shape_of(a);
  cJSON *entry = cJSON_AddObjectToObject(to, p->name);
  return entry && cJSON_AddStringToObject(entry, "dtype", dtype) &&
         add_sizes(entry, "shape", shape.at, shape.count) && add_sizes(entry, "data_offsets", offsets, 2);
}

/* The header's text, to be freed with cJSON_free; NULL: no memory. */
static char *header_text(pons_named arrays, const placed *places, int64_t count) {
  cJSON *json = cJSON_CreateObject();
  bool good = json != NULL;
  const int64_t n_metadata = pons_named_metadata_count(arrays);
  cJSON *metadata = good && n_metadata ? cJSON_AddObjectToObject(json, "__metadata__") : NULL;
  if (n_metadata && !metadata) good = false;
  for (int64_t i = 0; i < n_metadata && good; i++) {
    const char *key = pons_named_metadata_key(arrays, i);
    good = cJSON_AddStringToObject(metadata, key, pons_named_metadata(arrays, key)) != NULL;
  }
  for (int64_t i = 0; i < count && good; i++) good = add_tensor(json, pons_named_at(arrays, i), &places[i]);
  char *text = good ? cJSON_PrintUnformatted(json) : NULL;
  cJSON_Delete(json);
  return text;
}

static bool write_header(sink *to, const char *text) {
  const size_t length = strlen(text),
               padded = (8 + length + 63) / 64 * 64 - 8; /* data begins at a multiple of 64 */
  if (padded > LONGEST_HEADER) {
    io_fail("save", "a header of %zu bytes is longer than safetensors allows", padded);
    return false;
  }
  unsigned char n[8];
  for (int i = 0; i < 8; i++) n[i] = (unsigned char)((uint64_t)padded >> 8 * i);
  sink_write(to, n, 8);
  sink_write(to, text, length);
  for (size_t i = length; i < padded; i++) sink_write(to, " ", 1);
  return true;
}

bool safetensors_save(sink *to, pons_named arrays, const options *o) {
  (void)o;
  const int64_t count = pons_named_count(arrays);
  if (pons_named_find(arrays, "__metadata__") >= 0) {
    io_fail("save", "no tensor can be called __metadata__ in safetensors");
    return false;
  }
  for (int64_t i = 0; i < pons_named_metadata_count(arrays); i++) {
    const char *key = pons_named_metadata_key(arrays, i);
    if (!pons_named_metadata(arrays, key))
      return io_fail("save", "metadata \"%s\": .safetensors files hold texts alone", key);
  }
  for (int64_t i = 0; i < count; i++)
    if (!name_of(pons_dtype_of(pons_named_at(arrays, i))))
      return io_fail("save", "tensor \"%s\": .safetensors files hold no %s", pons_named_key(arrays, i),
                     pons_dtype_name(pons_dtype_of(pons_named_at(arrays, i))));
  placed *places = calloc((size_t)count + 1, sizeof *places);
  if (!places) {
    io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory for %lld tensors", (long long)count);
    return false;
  }
  for (int64_t i = 0; i < count; i++) {
    pons_array a = pons_named_at(arrays, i);
    places[i] = (placed){i, pons_dtype_size(pons_dtype_of(a)), pons_nbytes(a), pons_named_key(arrays, i), 0};
  }
  qsort(places, (size_t)count, sizeof *places, by_width);
  for (int64_t i = 1; i < count; i++) places[i].begin = places[i - 1].begin + places[i - 1].bytes;
  qsort(places, (size_t)count, sizeof *places, by_index);
  char *text = header_text(arrays, places, count);
  if (!text) io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory for the header");
  bool good = text && write_header(to, text);
  qsort(places, (size_t)count, sizeof *places, by_width);
  for (int64_t i = 0; i < count && good; i++) {
    pons_array a = pons_named_at(arrays, places[i].index);
    const void *data = pons_data(a);
    good = data || !places[i].bytes;
    if (good) sink_write(to, data, places[i].bytes);
  }
  cJSON_free(text);
  free(places);
  return good;
}
