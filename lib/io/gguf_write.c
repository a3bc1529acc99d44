/* gguf_write.c: writes GGUF, version 3 (gguf.h has the layout), in two passes over the arrays: what each
   becomes and where, then header and data. Quantised weights with their scales and biases become one tensor;
   what no type of GGUF holds exactly is an error. */
#include "gguf.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_AXES = 8 }; /* what MLX reads; ggml itself reads 4 */

typedef struct tensor {
  const char *name;
  pons_array array, scales, biases; /* NULL where there are none */
  const gguf_type *type;            /* NULL: part of another tensor */
  uint64_t offset, bytes;
} tensor;

static void write_number(sink *to, uint64_t value, int width) {
  unsigned char bytes[8];
  for (int i = 0; i < width; i++) bytes[i] = (unsigned char)(value >> 8 * i);
  sink_write(to, bytes, (size_t)width);
}

static void write_text(sink *to, const char *text) {
  write_number(to, strlen(text), 8);
  sink_write(to, text, strlen(text));
}

/* ---- what a tensor becomes ---- */

/* The place of X.scales or X.biases for X.weight (N.scales for another name N), or -1. */
static int64_t find_part(pons_named arrays, const char *name, const char *suffix) {
  static const char weight[] = ".weight";
  size_t length = strlen(name);
  char *part = malloc(length + 16);
  if (!part) return -1;
  strcpy(part, name);
  if (length >= sizeof weight - 1 && strcmp(name + length + 1 - sizeof weight, weight) == 0)
    length -= sizeof weight - 1;
  strcpy(part + length, suffix);
  const int64_t found = pons_named_find(arrays, part);
  free(part);
  return found;
}

static bool is_shape(pons_array a, pons_shape want, int64_t last) {
  if (!a || pons_ndim(a) != want.count) return false;
  for (int i = 0; i + 1 < want.count; i++)
    if (pons_dim(a, i) != want.at[i]) return false;
  return want.count > 0 && pons_dim(a, want.count - 1) == last;
}

static bool are_implied(const gguf_type *t, const uint16_t *scales, const uint16_t *biases, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const uint16_t implied = gguf_implied_bias(t, scales[i]);
    if (implied != biases[i] && gguf_float_of_half(implied) != gguf_float_of_half(biases[i])) return false;
  }
  return true;
}

/* Weights with scales (and biases) as a type that holds them. */
static bool choose_quantised(tensor *t) {
  const pons_shape shape = pons_shape_of(t->array);
  const int64_t last = shape.count ? shape.at[shape.count - 1] : 0,
                groups = pons_ndim(t->scales) ? pons_dim(t->scales, pons_ndim(t->scales) - 1) : 0;
  const int64_t bits = groups > 0 ? last / groups : 4;
  if (groups > INT64_MAX / GGUF_GROUP) return io_fail("save", "\"%s\": too many groups", t->name);
  if (!is_shape(t->scales, shape, groups) || last != groups * bits ||
      (t->biases && !is_shape(t->biases, shape, groups)))
    return io_fail("save", "\"%s\": scales or biases don't have a value for each group of %d weights",
                   t->name, GGUF_GROUP);
  if (!t->biases) {
    if (pons_dtype_of(t->scales) != PONS_UINT8 || bits != 4)
      return io_fail("save", "\"%s\": without biases, scales must be uint8 and weights have 4 bits (MXFP4)",
                     t->name);
    t->type = gguf_type_named("MXFP4");
    return true;
  }
  if (pons_dtype_of(t->scales) != PONS_FLOAT16 || pons_dtype_of(t->biases) != PONS_FLOAT16)
    return io_fail("save", "\"%s\": GGUF holds scales and biases in float16, not %s and %s", t->name,
                   pons_dtype_name(pons_dtype_of(t->scales)), pons_dtype_name(pons_dtype_of(t->biases)));
  if (bits != 4 && bits != 8)
    return io_fail("save", "\"%s\": %lld bits in groups of %d are no type of GGUF", t->name, (long long)bits,
                   GGUF_GROUP);
  const uint16_t *scales = pons_data(t->scales), *biases = pons_data(t->biases);
  if ((!scales || !biases) && pons_size(t->scales)) return false;
  t->type = gguf_type_named(bits == 8 ? "Q8_0" : "Q4_0");
  if (are_implied(t->type, scales, biases, pons_size(t->scales))) return true;
  t->type = gguf_type_named("Q4_1");
  return bits == 4 ||
         io_fail("save", "\"%s\": in 8 bits GGUF holds no biases but -128 times the scale", t->name);
}

static bool choose_type(tensor *t) {
  const pons_dtype dtype = pons_dtype_of(t->array);
  if (pons_ndim(t->array) > MOST_AXES)
    return io_fail("save", "\"%s\" has %d axes; GGUF holds %d", t->name, pons_ndim(t->array), MOST_AXES);
  if (t->scales) return choose_quantised(t);
  t->type = gguf_type_of_dtype(dtype);
  return t->type || io_fail("save", "\"%s\": GGUF holds no %s", t->name, pons_dtype_name(dtype));
}

/* Weights take their scales and biases, wherever these stand in the list. */
static void join_parts(pons_named arrays, tensor *tensors, bool *taken) {
  for (int64_t i = 0; i < pons_named_count(arrays); i++) {
    tensor *t = &tensors[i];
    *t = (tensor){.name = pons_named_key(arrays, i), .array = pons_named_at(arrays, i)};
    const int64_t scales = find_part(arrays, t->name, ".scales"),
                  biases = find_part(arrays, t->name, ".biases");
    if (pons_dtype_of(t->array) != PONS_UINT32 || scales < 0) continue;
    t->scales = pons_named_at(arrays, scales);
    taken[scales] = true;
    if (biases < 0) continue;
    t->biases = pons_named_at(arrays, biases);
    taken[biases] = true;
  }
}

static uint64_t padded(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

static bool place_tensors(pons_named arrays, uint64_t alignment, tensor *tensors, const bool *taken,
                          uint64_t *count) {
  uint64_t at = 0;
  for (int64_t i = 0; i < pons_named_count(arrays); i++) {
    tensor *t = &tensors[i];
    if (taken[i]) continue;
    if (!choose_type(t)) return false;
    ++*count;
    t->offset = at;
    t->bytes = t->scales ? (uint64_t)pons_size(t->scales) * (uint64_t)t->type->bytes : pons_nbytes(t->array);
    at += padded(t->bytes, alignment);
  }
  return true;
}

/* ---- metadata ---- */

static bool write_array(sink *to, const char *key, pons_array a) {
  pons_dtype dtype = PONS_COMPLEX64;
  uint32_t type = 0;
  while (type < GGUF_METADATA_TYPES && !(gguf_metadata_dtype(type, &dtype) && dtype == pons_dtype_of(a)))
    type++;
  if (type == GGUF_METADATA_TYPES || pons_ndim(a) > 1)
    return io_fail("save", "metadata \"%s\": GGUF holds no %s with %d axes there", key,
                   pons_dtype_name(pons_dtype_of(a)), pons_ndim(a));
  const void *data = pons_data(a);
  if (!data && pons_nbytes(a)) return false;
  write_number(to, pons_ndim(a) ? GGUF_LIST : type, 4);
  if (pons_ndim(a)) {
    write_number(to, type, 4);
    write_number(to, (uint64_t)pons_size(a), 8);
  }
  sink_write(to, data, pons_nbytes(a));
  return true;
}

static bool write_metadata(sink *to, pons_named arrays) {
  for (int64_t i = 0; i < pons_named_metadata_count(arrays); i++) {
    const char *key = pons_named_metadata_key(arrays, i), *text = pons_named_metadata(arrays, key);
    int64_t count;
    const char *const *texts = pons_named_metadata_texts(arrays, key, &count);
    write_text(to, key);
    if (!text && !texts) {
      if (!write_array(to, key, pons_named_metadata_array(arrays, key))) return false;
      continue;
    }
    write_number(to, text ? GGUF_TEXT : GGUF_LIST, 4);
    if (text) write_text(to, text);
    if (text) continue;
    write_number(to, GGUF_TEXT, 4);
    write_number(to, (uint64_t)count, 8);
    for (int64_t k = 0; k < count; k++) write_text(to, texts[k]);
  }
  return true;
}

static bool find_alignment(pons_named arrays, uint64_t *alignment) {
  static const char key[] = "general.alignment";
  pons_array given = pons_named_metadata_array(arrays, key);
  int64_t count;
  if (!given && !pons_named_metadata(arrays, key) && !pons_named_metadata_texts(arrays, key, &count))
    return true;
  const uint32_t *value =
      given && pons_dtype_of(given) == PONS_UINT32 && !pons_ndim(given) ? pons_data(given) : NULL;
  *alignment = value ? *value : 0;
  return (*alignment && (*alignment & (*alignment - 1)) == 0) ||
         io_fail("save", "metadata \"%s\" is no uint32 that is a power of 2", key);
}

/* ---- data ---- */

static bool write_blocks(sink *to, const tensor *t) {
  unsigned char block[64];
  const unsigned char *weights = pons_data(t->array), *scales = pons_data(t->scales),
                      *biases = t->biases ? pons_data(t->biases) : NULL;
  if (!pons_size(t->scales)) return true;
  if (!weights || !scales || (t->biases && !biases)) return false;
  const size_t scale = pons_dtype_size(pons_dtype_of(t->scales)),
               group = (size_t)(GGUF_GROUP * t->type->bits / 8);
  const bool with_bias = (size_t)t->type->bytes == 2 * scale + group;
  for (size_t i = 0; i < (size_t)pons_size(t->scales); i++) {
    memcpy(block, scales + i * scale, scale);
    if (with_bias) memcpy(block + scale, biases + i * scale, scale);
    gguf_block_of_weights(t->type, weights + i * group, block);
    sink_write(to, block, (size_t)t->type->bytes);
  }
  return true;
}

static bool write_data(sink *to, const tensor *t) {
  if (t->scales) return write_blocks(to, t);
  const void *data = pons_data(t->array);
  if (!data && t->bytes) return false;
  sink_write(to, data, t->bytes);
  return true;
}

static void write_padding(sink *to, uint64_t alignment) {
  static const char zeros[64];
  for (uint64_t n = padded(sink_at(to), alignment) - sink_at(to); n;) {
    const uint64_t part = n < sizeof zeros ? n : sizeof zeros;
    sink_write(to, zeros, (size_t)part);
    n -= part;
  }
}

static void write_entry(sink *to, const tensor *t) {
  const pons_shape shape = pons_shape_of(t->array);
  write_text(to, t->name);
  write_number(to, (uint64_t)shape.count, 4);
  for (int i = shape.count - 1; i >= 0; i--) {
    const bool packed = t->scales && i == shape.count - 1;
    write_number(to, (uint64_t)(packed ? shape.at[i] / t->type->bits * GGUF_GROUP : shape.at[i]), 8);
  }
  write_number(to, t->type->code, 4);
  write_number(to, t->offset, 8);
}

static bool write_all(sink *to, pons_named arrays, tensor *tensors, bool *taken) {
  uint64_t alignment = GGUF_ALIGNMENT, count = 0;
  if (!find_alignment(arrays, &alignment)) return false;
  join_parts(arrays, tensors, taken);
  if (!place_tensors(arrays, alignment, tensors, taken, &count)) return false;
  sink_write(to, "GGUF", 4);
  write_number(to, GGUF_VERSION, 4);
  write_number(to, count, 8);
  write_number(to, (uint64_t)pons_named_metadata_count(arrays), 8);
  if (!write_metadata(to, arrays)) return false;
  for (int64_t i = 0; i < pons_named_count(arrays); i++)
    if (!taken[i]) write_entry(to, &tensors[i]);
  write_padding(to, alignment);
  for (int64_t i = 0; i < pons_named_count(arrays); i++) {
    if (taken[i]) continue;
    if (!write_data(to, &tensors[i])) return false;
    write_padding(to, alignment);
  }
  return true;
}

bool gguf_save(sink *to, pons_named arrays, const options *o) {
  (void)o;
  const size_t count = (size_t)pons_named_count(arrays) + 1;
  tensor *tensors = calloc(count, sizeof *tensors);
  bool *taken = calloc(count, sizeof *taken);
  const bool done = tensors && taken
                        ? write_all(to, arrays, tensors, taken)
                        : io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory for %zu tensors", count);
  free(tensors);
  free(taken);
  return done;
}
