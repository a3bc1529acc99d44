/* npy.c: NumPy's file of one array.

     \x93NUMPY | major, minor | length (2 bytes in version 1, else 4) | a Python dict as text, padded |
     elements

     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }

   The dict is read as the literal it is, in any order and spacing. bfloat16 is '<V2', as MLX writes it. */
#include "formats.h"
#include <pons/ops.h>
#include <stdio.h>
#include <string.h>

/* ---- dtypes ---- */

static const struct {
  char kind;
  int width;
} codes[PONS_DTYPE_COUNT] = {
    [PONS_BOOL] = {'b', 1},     [PONS_UINT8] = {'u', 1},     [PONS_UINT16] = {'u', 2},
    [PONS_UINT32] = {'u', 4},   [PONS_UINT64] = {'u', 8},    [PONS_INT8] = {'i', 1},
    [PONS_INT16] = {'i', 2},    [PONS_INT32] = {'i', 4},     [PONS_INT64] = {'i', 8},
    [PONS_FLOAT16] = {'f', 2},  [PONS_FLOAT32] = {'f', 4},   [PONS_FLOAT64] = {'f', 8},
    [PONS_BFLOAT16] = {'V', 2}, [PONS_COMPLEX64] = {'c', 8}, [PONS_COMPLEX128] = {'c', 16},
};

/* "<f4" and the like. */
static bool read_descr(const char *text, pons_dtype *dtype, bool *swap) {
  const char order = text[0];
  if (!order || !strchr("<>|=", order)) return false;
  for (int i = 0; i < PONS_DTYPE_COUNT; i++) {
    char code[8];
    snprintf(code, sizeof code, "%c%d", codes[i].kind, codes[i].width);
    if (strcmp(text + 1, code) != 0) continue;
    *dtype = (pons_dtype)i;
    *swap = order == '>' && codes[i].width > 1;
    return true;
  }
  return false;
}

/* ---- the header as a Python literal ---- */

typedef struct reader {
  const source *s;
  uint64_t at, end;
} reader;

static char peek(reader *r) {
  while (r->at < r->end && strchr(" \t\r\n\f", r->s->bytes[r->at]) && r->s->bytes[r->at]) r->at++;
  return r->at < r->end ? (char)r->s->bytes[r->at] : '\0';
}

static bool take(reader *r, char c) {
  if (peek(r) != c || r->at >= r->end) return false;
  r->at++;
  return true;
}

static bool expect(reader *r, char c) {
  return take(r, c) || source_wrong(r->s, r->at, "the header should have '%c' here", c);
}

static bool read_string(reader *r, char *to, size_t room) {
  const char quote = peek(r);
  if (quote != '\'' && quote != '"')
    return source_wrong(r->s, r->at, "the header should have a quoted text here");
  const uint64_t start = ++r->at;
  size_t n = 0;
  for (;; r->at++) {
    if (r->at >= r->end) return source_wrong(r->s, start, "a quoted text of the header doesn't end");
    const char c = (char)r->s->bytes[r->at];
    if (c == quote) break;
    if (c < ' ' || c == '\\' || n + 1 >= room)
      return source_wrong(r->s, r->at, "a text of the header that can't be understood");
    to[n++] = c;
  }
  r->at++;
  to[n] = '\0';
  return true;
}

static bool read_word(reader *r, const char *word) {
  const size_t length = strlen(word);
  peek(r);
  if (r->end - r->at < length || memcmp(r->s->bytes + r->at, word, length) != 0) return false;
  r->at += length;
  return true;
}

static bool read_flag(reader *r, bool *flag) {
  if (read_word(r, "True")) return *flag = true;
  *flag = false;
  return read_word(r, "False") || source_wrong(r->s, r->at, "fortran_order should be True or False");
}

static bool read_shape(reader *r, int64_t *dims, int *count) {
  if (!expect(r, '(')) return false;
  for (*count = 0; !take(r, ')');) {
    char c = peek(r);
    if (c < '0' || c > '9') return source_wrong(r->s, r->at, "the shape should have a size here");
    if (*count == PONS_MAX_NDIM)
      return source_wrong(r->s, r->at, "the shape has more than %d axes", PONS_MAX_NDIM);
    int64_t size = 0;
    for (; r->at < r->end && (c = (char)r->s->bytes[r->at]) >= '0' && c <= '9'; r->at++) {
      if (size > (INT64_MAX - (c - '0')) / 10)
        return source_wrong(r->s, r->at, "a size of the shape is beyond 64 bits");
      size = size * 10 + (c - '0');
    }
    read_word(r, "L"); /* Python 2 wrote 3L */
    dims[(*count)++] = size;
    if (!take(r, ',') && peek(r) != ')')
      return source_wrong(r->s, r->at, "the shape should have ',' or ')' here");
  }
  return true;
}

static bool read_entry(reader *r, npy *h, unsigned *seen) {
  char key[24], descr[24];
  const uint64_t at = r->at;
  if (!read_string(r, key, sizeof key) || !expect(r, ':')) return false;
  unsigned which;
  if (strcmp(key, "descr") == 0) {
    which = 1;
    if (peek(r) == '[') return source_wrong(r->s, r->at, "structured dtypes are not supported");
    const uint64_t descr_at = r->at;
    if (!read_string(r, descr, sizeof descr)) return false;
    if (!read_descr(descr, &h->dtype, &h->swap))
      return source_wrong(r->s, descr_at, "dtype '%s' is not supported", descr);
  } else if (strcmp(key, "fortran_order") == 0) {
    which = 2;
    if (!read_flag(r, &h->fortran)) return false;
  } else if (strcmp(key, "shape") == 0) {
    which = 4;
    if (!read_shape(r, h->dims, &h->ndim)) return false;
  } else {
    return source_wrong(r->s, at, "the header has an unknown key '%s'", key);
  }
  if (*seen & which) return source_wrong(r->s, at, "the header has '%s' twice", key);
  *seen |= which;
  return true;
}

static bool read_header(reader *r, npy *h) {
  const uint64_t start = r->at;
  unsigned seen = 0;
  if (!expect(r, '{')) return false;
  while (!take(r, '}')) {
    if (!read_entry(r, h, &seen)) return false;
    if (!take(r, ',') && peek(r) != '}')
      return source_wrong(r->s, r->at, "the header should have ',' or '}' here");
  }
  peek(r);
  if (r->at != r->end) return source_wrong(r->s, r->at, "something stands behind the header's '}'");
  return seen == 7 || source_wrong(r->s, start, "the header lacks %s",
                                   !(seen & 1)   ? "descr"
                                   : !(seen & 2) ? "fortran_order"
                                                 : "shape");
}

/* ---- reading ---- */

/* Where the header's text begins. */
static uint64_t text_at(int major) { return major == 1 ? 10 : 12; }

uint64_t npy_header_end(const unsigned char *start) {
  const source s = {start, NPY_START, NULL};
  return text_at(start[6]) + (start[6] == 1 ? source_u16(&s, 8) : source_u32(&s, 8));
}

static void reverse(int64_t *dims, int count) {
  for (int i = 0; i < count / 2; i++) {
    const int64_t dim = dims[i];
    dims[i] = dims[count - 1 - i];
    dims[count - 1 - i] = dim;
  }
}

bool npy_read(const source *s, uint64_t offset, uint64_t known, uint64_t size, npy *h) {
  if (known < NPY_START)
    return source_wrong(s, offset + known, "an .npy file ends after %llu bytes", (unsigned long long)known);
  if (memcmp(s->bytes + offset, "\x93NUMPY", 6) != 0)
    return source_wrong(s, offset, "an .npy file doesn't start like this");
  const int major = s->bytes[offset + 6], minor = s->bytes[offset + 7];
  if (major < 1 || major > 3 || minor != 0)
    return source_wrong(s, offset + 6, ".npy version %d.%d is unknown", major, minor);
  const uint64_t end = npy_header_end(s->bytes + offset);
  if (end > known)
    return source_wrong(s, offset + 8, "the header's length of %llu goes beyond the end at byte %llu",
                        (unsigned long long)(end - text_at(major)), (unsigned long long)(offset + size));
  *h = (npy){.data = offset + end};
  reader r = {s, offset + text_at(major), h->data};
  if (!read_header(&r, h)) return false;
  uint64_t bytes;
  if (!source_size(s, offset + text_at(major), (pons_shape){h->ndim, h->dims}, h->dtype, size - end, &bytes))
    return false;
  if (h->fortran) reverse(h->dims, h->ndim);
  return true;
}

pons_array npy_array(const npy *h, pons_array lies) {
  if (lies && h->fortran && h->ndim > 1) lies = pons_transpose(lies);
  return lies && !pons_error_of(lies) ? lies : NULL;
}

bool npy_load(source *s, pons_named into) {
  npy h;
  if (!npy_read(s, 0, s->count, s->count, &h)) return false;
  pons_array a = npy_array(&h, source_array(s, h.data, (pons_shape){h.ndim, h.dims}, h.dtype, h.swap));
  return a && pons_named_set(into, ONLY_NAME, a);
}

/* ---- writing ---- */

size_t npy_header(pons_array a, char header[NPY_HEADER_ROOM]) {
  const pons_dtype dtype = pons_dtype_of(a);
  const pons_shape shape = pons_shape_of(a);
  const char order = codes[dtype].width == 1 ? '|' : '<';
  char *at = header + 10, *const end = header + NPY_HEADER_ROOM;
  at += snprintf(at, (size_t)(end - at), "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (", order,
                 codes[dtype].kind, codes[dtype].width);
  for (int i = 0; i < shape.count; i++) /* at most 32 axes of 21 characters */
    at += snprintf(at, (size_t)(end - at), "%s%lld%s", i ? " " : "", (long long)shape.at[i],
                   i + 1 < shape.count || shape.count == 1 ? "," : "");
  at += snprintf(at, (size_t)(end - at), "), }");
  const size_t length = ((size_t)(at - header) + 1 + 63) / 64 * 64;
  memset(at, ' ', length - (size_t)(at - header));
  header[length - 1] = '\n';
  memcpy(header, "\x93NUMPY\1\0", 8);
  header[8] = (char)((length - 10) & 255);
  header[9] = (char)((length - 10) >> 8);
  return length;
}

bool npy_save(sink *to, pons_named arrays, const options *o) {
  (void)o;
  if (pons_named_count(arrays) != 1)
    return io_fail("save", "an .npy file holds one array, not %lld", (long long)pons_named_count(arrays));
  if (!metadata_is_none(arrays, ".npy")) return false;
  pons_array a = pons_named_at(arrays, 0);
  char header[NPY_HEADER_ROOM];
  const void *data = pons_data(a);
  if (!data && pons_nbytes(a)) return false;
  sink_write(to, header, npy_header(a, header));
  sink_write(to, data, pons_nbytes(a));
  return true;
}
