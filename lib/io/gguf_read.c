/* gguf_read.c: reads GGUF, versions 2 and 3 (gguf.h has the layout). All of the header is held against the
   bytes there are; tensors are used where they lie, or computed from their blocks when they are needed. */
#include "gguf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ENTRY = 8 + 4 + 1, LEAST_TENSOR = 8 + 4 + 4 + 8 };

typedef struct cursor {
  source *s;
  uint64_t at;
} cursor;

static uint64_t left(const cursor *c) { return c->s->count - c->at; }

static bool take(cursor *c, int width, const char *what, uint64_t *value) {
  *value = 0;
  if (left(c) < (uint64_t)width) return source_wrong(c->s, c->at, "the file ends in %s", what);
  for (int i = 0; i < width; i++) *value |= (uint64_t)c->s->bytes[c->at + (uint64_t)i] << 8 * i;
  c->at += (uint64_t)width;
  return true;
}

/* From malloc; NULL and an error. */
static char *take_text(cursor *c, const char *what) {
  const uint64_t at = c->at;
  uint64_t length;
  if (!take(c, 8, what, &length)) return NULL;
  if (length > left(c)) {
    source_wrong(c->s, at, "%s has %llu bytes, and the file %llu more", what, (unsigned long long)length,
                 (unsigned long long)left(c));
    return NULL;
  }
  const char *from = (const char *)c->s->bytes + c->at;
  if (memchr(from, '\0', (size_t)length)) {
    source_wrong(c->s, at, "%s has a zero byte", what);
    return NULL;
  }
  char *text = strndup(from, (size_t)length);
  if (!text) source_wrong(c->s, at, "out of memory");
  c->at += length;
  return text;
}

/* ---- metadata ---- */

static bool take_numbers(cursor *c, const char *key, pons_dtype dtype, pons_shape shape, pons_named into) {
  uint64_t bytes;
  if (!source_size(c->s, c->at, shape, dtype, left(c), &bytes)) return false;
  pons_array a = source_array(c->s, c->at, shape, dtype, false);
  c->at += bytes;
  return a && pons_named_set_metadata_array(into, key, a);
}

static bool take_texts(cursor *c, const char *key, uint64_t count, pons_named into) {
  char **texts = calloc((size_t)count + 1, sizeof *texts); /* count texts fit the file */
  if (!texts) return source_wrong(c->s, c->at, "out of memory for %llu texts", (unsigned long long)count);
  uint64_t i = 0;
  while (i < count && (texts[i] = take_text(c, "a text of a list"))) i++;
  const bool done =
      i == count && pons_named_set_metadata_texts(into, key, (const char *const *)texts, (int64_t)count);
  for (uint64_t k = 0; k < i; k++) free(texts[k]);
  free(texts);
  return done;
}

static bool take_list(cursor *c, const char *key, pons_named into) {
  const uint64_t at = c->at;
  uint64_t type, count;
  if (!take(c, 4, "a list's type", &type) || !take(c, 8, "a list's length", &count)) return false;
  if (count > left(c) / (type == GGUF_TEXT ? 8 : 1))
    return source_wrong(c->s, at + 4, "metadata \"%s\": a list of %llu doesn't fit the file", key,
                        (unsigned long long)count);
  pons_dtype dtype;
  if (type == GGUF_TEXT) return take_texts(c, key, count, into);
  if (type == GGUF_LIST)
    return source_wrong(c->s, at, "metadata \"%s\": lists in lists are not supported", key);
  if (!gguf_metadata_dtype((uint32_t)type, &dtype))
    return source_wrong(c->s, at, "metadata \"%s\": unknown type %llu", key, (unsigned long long)type);
  return take_numbers(c, key, dtype, PONS_SHAPE((int64_t)count), into);
}

static bool take_value(cursor *c, const char *key, pons_named into) {
  const uint64_t at = c->at;
  uint64_t type;
  pons_dtype dtype;
  if (!take(c, 4, "a metadata entry's type", &type)) return false;
  if (type == GGUF_LIST) return take_list(c, key, into);
  if (type != GGUF_TEXT)
    return gguf_metadata_dtype((uint32_t)type, &dtype)
               ? take_numbers(c, key, dtype, PONS_SCALAR, into)
               : source_wrong(c->s, at, "metadata \"%s\": unknown type %llu", key, (unsigned long long)type);
  char *text = take_text(c, "a text");
  const bool done = text && pons_named_set_metadata(into, key, text);
  free(text);
  return done;
}

static bool has_metadata(pons_named named, const char *key) {
  int64_t count;
  return pons_named_metadata(named, key) || pons_named_metadata_array(named, key) ||
         pons_named_metadata_texts(named, key, &count);
}

static bool take_metadata(cursor *c, uint64_t count, pons_named into, uint64_t *alignment) {
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t at = c->at;
    char *key = take_text(c, "a metadata entry's name");
    if (!key) return false;
    const uint64_t value = c->at;
    bool done = has_metadata(into, key) ? source_wrong(c->s, at, "there are two metadata \"%s\"", key)
                                        : take_value(c, key, into);
    if (done && strcmp(key, "general.alignment") == 0) {
      *alignment =
          c->at - value == 8 && source_u32(c->s, value) == GGUF_UINT32 ? source_u32(c->s, value + 4) : 0;
      if (*alignment == 0 || (*alignment & (*alignment - 1)))
        done = source_wrong(c->s, value, "general.alignment is no uint32 that is a power of 2");
    }
    free(key);
    if (!done) return false;
  }
  return true;
}

/* ---- tensors: where they are ---- */

typedef struct tensor {
  char *name;     /* owned */
  uint64_t entry; /* the byte at which it is described */
  const gguf_type *type;
  int ndim;
  int64_t dims[PONS_MAX_NDIM];
  uint64_t offset, at, bytes; /* from the data's start; in the file */
} tensor;

static bool take_shape(cursor *c, tensor *t) {
  uint64_t ndim, dim, at = c->at;
  if (!take(c, 4, "a tensor's number of axes", &ndim)) return false;
  if (ndim > PONS_MAX_NDIM)
    return source_wrong(c->s, at, "tensor \"%s\" has %llu axes, more than %d", t->name,
                        (unsigned long long)ndim, PONS_MAX_NDIM);
  t->ndim = (int)ndim;
  for (int i = t->ndim - 1; i >= 0; i--) {
    at = c->at;
    if (!take(c, 8, "a tensor's shape", &dim)) return false;
    if (dim > INT64_MAX)
      return source_wrong(c->s, at, "tensor \"%s\": a size of %llu", t->name, (unsigned long long)dim);
    t->dims[i] = (int64_t)dim;
  }
  return true;
}

static bool take_tensor(cursor *c, tensor *t) {
  t->entry = c->at;
  t->name = take_text(c, "a tensor's name");
  uint64_t type;
  if (!t->name || !take_shape(c, t)) return false;
  const uint64_t at = c->at;
  if (!take(c, 4, "a tensor's type", &type) || !take(c, 8, "a tensor's offset", &t->offset)) return false;
  t->type = gguf_type_of_code((uint32_t)type);
  return t->type || source_wrong(c->s, at, "tensor \"%s\" has type %llu, which is not supported", t->name,
                                 (unsigned long long)type);
}

/* The bytes of `t` lie inside the file's data. */
static bool place_tensor(const source *s, uint64_t data, uint64_t alignment, tensor *t) {
  const int64_t row = t->ndim ? t->dims[t->ndim - 1] : 1;
  if (row % t->type->values)
    return source_wrong(s, t->entry,
                        "tensor \"%s\": a last axis of %lld is no multiple of the %d of a block of %s",
                        t->name, (long long)row, t->type->values, t->type->name);
  if (t->offset % alignment)
    return source_wrong(s, t->entry, "tensor \"%s\": offset %llu is no multiple of the alignment %llu",
                        t->name, (unsigned long long)t->offset, (unsigned long long)alignment);
  const uint64_t room = data < s->count ? s->count - data : 0;
  if (t->offset > room)
    return source_wrong(s, t->entry, "tensor \"%s\": offset %llu is beyond the %llu bytes of data", t->name,
                        (unsigned long long)t->offset, (unsigned long long)room);
  uint64_t blocks = 1;
  for (int i = 0; i < t->ndim; i++)
    if (t->dims[i] == 0) blocks = 0;
  const uint64_t most = (room - t->offset) / (uint64_t)t->type->bytes;
  for (int i = 0; i < t->ndim && blocks; i++) {
    const uint64_t size = (uint64_t)(i + 1 < t->ndim ? t->dims[i] : row / t->type->values);
    if (size > most / blocks)
      return source_wrong(s, t->entry,
                          "tensor \"%s\": its shape as %s needs more than the %llu bytes from its offset",
                          t->name, t->type->name, (unsigned long long)(room - t->offset));
    blocks *= size;
  }
  if (blocks > most)
    return source_wrong(s, t->entry, "tensor \"%s\" needs more than the %llu bytes from its offset", t->name,
                        (unsigned long long)(room - t->offset));
  t->bytes = blocks * (uint64_t)t->type->bytes;
  t->at = t->bytes ? data + t->offset : 0;
  return true;
}

static int by_place(const void *a, const void *b) {
  const tensor *x = *(tensor *const *)a, *y = *(tensor *const *)b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static bool check_overlap(const source *s, tensor *tensors, uint64_t count) {
  tensor **sorted = malloc(((size_t)count + 1) * sizeof(tensor *));
  if (!sorted) return source_wrong(s, 0, "out of memory for %llu tensors", (unsigned long long)count);
  for (uint64_t i = 0; i < count; i++) sorted[i] = &tensors[i];
  qsort(sorted, (size_t)count, sizeof(tensor *), by_place);
  bool good = true;
  for (uint64_t i = 1; i < count && good; i++)
    if (sorted[i]->offset < sorted[i - 1]->offset + sorted[i - 1]->bytes)
      good = source_wrong(s, sorted[i]->entry, "tensor \"%s\" overlaps \"%s\"", sorted[i]->name,
                          sorted[i - 1]->name);
  free(sorted);
  return good;
}

/* ---- arrays from blocks ---- */

typedef enum part { WEIGHTS, SCALES, BIASES, VALUES } part;

typedef struct blocks {
  source *source; /* a reference */
  const gguf_type *type;
  const unsigned char *at;
  uint64_t count;
  part part;
} blocks;

static void blocks_free(void *payload) {
  blocks *b = payload;
  source_release(b->source);
  free(b);
}

static void values_of_block(const gguf_type *t, const unsigned char *block, void *to) {
  float values[GGUF_MOST_VALUES];
  t->unpack(block, values);
  if (t->dtype == PONS_FLOAT32) {
    memcpy(to, values, (size_t)t->values * 4);
    return;
  }
  uint16_t *halves = to;
  for (int i = 0; i < t->values; i++) halves[i] = gguf_half_of_float(values[i]);
}

static uint16_t half_at(const unsigned char *at) { return (uint16_t)(at[0] | at[1] << 8); }

static bool read_blocks(void *payload, void *to, size_t bytes, char *why, size_t room) {
  const blocks *b = payload;
  const gguf_type *t = b->type;
  const size_t step = b->count ? bytes / (size_t)b->count : 0; /* bytes of the result from a block */
  (void)why, (void)room;
  for (uint64_t i = 0; i < b->count; i++) {
    const unsigned char *block = b->at + i * (uint64_t)t->bytes;
    unsigned char *out = (unsigned char *)to + i * step;
    uint16_t half = half_at(block);
    if (b->part == BIASES)
      half = t->bytes == 20 ? half_at(block + 2) : gguf_implied_bias(t, half); /* Q4_1 has one */
    if (b->part == WEIGHTS)
      gguf_weights_of_block(t, block, out);
    else if (b->part == VALUES)
      values_of_block(t, block, out);
    else
      memcpy(out, &half, step); /* a half, or the byte that is MXFP4's scale */
  }
  return true;
}

static pons_array array_of_blocks(source *s, const tensor *t, part part) {
  int64_t dims[PONS_MAX_NDIM];
  memcpy(dims, t->dims, sizeof dims);
  int64_t *last = &dims[t->ndim - 1];
  const pons_dtype dtype = part == WEIGHTS                                 ? PONS_UINT32
                           : part == SCALES && t->type->form == GGUF_MXFP4 ? PONS_UINT8
                                                                           : t->type->dtype;
  if (part == WEIGHTS)
    *last = *last / 32 * t->type->bits;
  else if (part != VALUES)
    *last /= GGUF_GROUP;
  blocks *b = malloc(sizeof *b);
  if (!b) {
    source_wrong(s, t->entry, "out of memory");
    return NULL;
  }
  *b = (blocks){source_keep(s), t->type, s->bytes + t->at, t->bytes / (uint64_t)t->type->bytes, part};
  pons_array a = pons_from_reader((pons_shape){t->ndim, dims}, dtype, read_blocks, b, blocks_free);
  return pons_error_of(a) ? NULL : a;
}

static bool add(const source *s, const tensor *t, pons_named into, const char *name, pons_array a) {
  if (a && pons_named_find(into, name) >= 0)
    return source_wrong(s, t->entry, "tensor \"%s\": there is another array \"%s\"", t->name, name);
  return a && pons_named_set(into, name, a);
}

/* X.weight gives X.scales; another name N.scales. */
static bool add_part(source *s, const tensor *t, pons_named into, part part, const char *suffix) {
  static const char weight[] = ".weight";
  size_t length = strlen(t->name);
  char *name = malloc(length + 16);
  if (!name) return source_wrong(s, t->entry, "out of memory");
  strcpy(name, t->name);
  if (length >= sizeof weight - 1 && strcmp(name + length + 1 - sizeof weight, weight) == 0)
    length -= sizeof weight - 1;
  strcpy(name + length, suffix);
  const bool done = add(s, t, into, name, array_of_blocks(s, t, part));
  free(name);
  return done;
}

static bool add_tensor(source *s, const tensor *t, pons_named into) {
  switch (t->type->form) {
    case GGUF_PLAIN:
      return add(s, t, into, t->name,
                 source_array(s, t->at, (pons_shape){t->ndim, t->dims}, t->type->dtype, false));
    case GGUF_VALUES:
      return add(s, t, into, t->name, array_of_blocks(s, t, VALUES));
    case GGUF_AFFINE:
    case GGUF_MXFP4:
      break;
  }
  return add(s, t, into, t->name, array_of_blocks(s, t, WEIGHTS)) &&
         add_part(s, t, into, SCALES, ".scales") &&
         (t->type->form == GGUF_MXFP4 || add_part(s, t, into, BIASES, ".biases"));
}

/* ---- all of it ---- */

static bool take_tensors(cursor *c, uint64_t alignment, tensor *tensors, uint64_t count, pons_named into) {
  for (uint64_t i = 0; i < count; i++)
    if (!take_tensor(c, &tensors[i])) return false;
  const uint64_t data = (c->at + alignment - 1) / alignment * alignment;
  for (uint64_t i = 0; i < count; i++)
    if (!place_tensor(c->s, data, alignment, &tensors[i])) return false;
  if (!check_overlap(c->s, tensors, count)) return false;
  for (uint64_t i = 0; i < count; i++)
    if (!add_tensor(c->s, &tensors[i], into)) return false;
  return true;
}

static bool check_version(const source *s, uint64_t version) {
  if (version == 2 || version == GGUF_VERSION) return true;
  if (version && version % 65536 == 0) return source_wrong(s, 4, "big-endian .gguf files are not supported");
  return source_wrong(s, 4, ".gguf version %llu is not supported, only 2 and 3", (unsigned long long)version);
}

bool gguf_load(source *s, pons_named into) {
  cursor c = {s, 4};
  uint64_t version, n_tensors, n_metadata, alignment = GGUF_ALIGNMENT;
  if (!take(&c, 4, "its version", &version) || !check_version(s, version) ||
      !take(&c, 8, "the number of tensors", &n_tensors) ||
      !take(&c, 8, "the number of metadata entries", &n_metadata))
    return false;
  if (n_metadata > left(&c) / LEAST_ENTRY || n_tensors > left(&c) / LEAST_TENSOR)
    return source_wrong(s, 8, "%llu tensors and %llu metadata entries don't fit a file of %zu bytes",
                        (unsigned long long)n_tensors, (unsigned long long)n_metadata, s->count);
  if (!take_metadata(&c, n_metadata, into, &alignment)) return false;
  if (n_tensors > left(&c) / LEAST_TENSOR)
    return source_wrong(s, 8, "%llu tensors don't fit a file of %zu bytes", (unsigned long long)n_tensors,
                        s->count);
  tensor *tensors = calloc((size_t)n_tensors + 1, sizeof *tensors);
  if (!tensors) return source_wrong(s, 8, "out of memory for %llu tensors", (unsigned long long)n_tensors);
  const bool done = take_tensors(&c, alignment, tensors, n_tensors, into);
  for (uint64_t i = 0; i < n_tensors; i++) free(tensors[i].name);
  free(tensors);
  return done;
}
