/* damaged_test.c: files that are unusual are read, files that are wrong give an error with the place, and
   nothing crashes on files cut short or altered at any byte. */
#include <pons/eval.h>
#include <pons/io.h>
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file being put together. */
typedef struct bytes {
  unsigned char at[4096];
  size_t count;
} bytes;

static void add(bytes *b, const void *from, size_t count) {
  memcpy(b->at + b->count, from, count);
  b->count += count;
}

static void add_number(bytes *b, uint64_t value, int width) {
  for (int i = 0; i < width; i++) b->at[b->count++] = (unsigned char)(value >> 8 * i);
}

static void add_zeros(bytes *b, size_t count) {
  memset(b->at + b->count, 0, count);
  b->count += count;
}

static void assert_error(const bytes *b, const char *message) {
  const int64_t live = pons_live_arrays();
  pons_named n = pons_load_bytes(b->at, b->count, "file");
  assert_null(n);
  assert_non_null(pons_error());
  if (strcmp(pons_error(), message) != 0) print_error("have %s\nwant %s\n", pons_error(), message);
  assert_string_equal(pons_error(), message);
  pons_clear_error();
  assert_int_equal(pons_live_arrays(), live);
}

/* ---- npy ---- */

static bytes npy(int version, const char *header, const void *data, size_t count) {
  bytes b = {.count = 0};
  add(&b, "\x93NUMPY", 6);
  add_number(&b, (uint64_t)version, 2);
  add_number(&b, strlen(header), version == 1 ? 2 : 4);
  add(&b, header, strlen(header));
  add(&b, data, count);
  return b;
}

static void assert_reads(const bytes *b, pons_dtype dtype, int count, const double *values) {
  const pons_scope scope = pons_scope_open();
  pons_named n = pons_load_bytes(b->at, b->count, "file");
  if (!n) print_error("%s\n", pons_error());
  assert_non_null(n);
  pons_array a = pons_named_at(n, 0);
  assert_int_equal(pons_dtype_of(a), dtype);
  pons_array flat = pons_astype(pons_flatten(a, 0, -1), PONS_FLOAT64);
  assert_int_equal(pons_size(flat), count);
  const double *data = pons_data(flat);
  for (int i = 0; i < count; i++) assert_true(data[i] == values[i]);
  pons_named_free(n);
  pons_scope_close(scope);
}

static void test_npy_in_other_words(void **state) {
  (void)state;
  const uint16_t little[6] = {1, 2, 3, 4, 5, 6};
  const double plain[6] = {1, 2, 3, 4, 5, 6}, swapped[6] = {256, 512, 768, 1024, 1280, 1536},
               fortran[6] = {1, 3, 5, 2, 4, 6};
  bytes b = npy(1, "{\"shape\":(2,3),\"descr\":\"<u2\",\"fortran_order\":False}", little, 12);
  assert_reads(&b, PONS_UINT16, 6, plain);
  b = npy(2, "{ 'fortran_order' : False ,\n'descr': '=u2', 'shape': (2L, 3L,) ,}  \n", little, 12);
  assert_reads(&b, PONS_UINT16, 6, plain);
  b = npy(3, "{'descr': '>u2', 'fortran_order': False, 'shape': (6,), }\n", little, 12);
  assert_reads(&b, PONS_UINT16, 6, swapped);
  b = npy(1, "{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3), }\n", little, 12);
  assert_reads(&b, PONS_UINT16, 6, fortran);
  const uint16_t bfloat[2] = {0x3fc0, 0xc000};
  b = npy(1, "{'descr': '<V2', 'fortran_order': False, 'shape': (2,), }", bfloat, 4);
  assert_reads(&b, PONS_BFLOAT16, 2, (double[]){1.5, -2});
  b = npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }", "\0\1\2\xff", 4);
  assert_reads(&b, PONS_BOOL, 4, (double[]){0, 1, 1, 1});
  const uint32_t complex[2] = {0x0000803f, 0x00000040}; /* 1 + 2i, big-endian */
  b = npy(1, "{'descr': '>c8', 'fortran_order': False, 'shape': (), }", complex, 8);
  assert_reads(&b, PONS_COMPLEX64, 1, (double[]){1});
}

static void test_wrong_npy(void **state) {
  (void)state;
  const struct {
    int version;
    const char *header, *message;
  } cases[] = {
      {1, "['descr']", "load: file: byte 10: the header should have '{' here"},
      {1, "{'descr': '<f4', 'shape': (1,)}", "load: file: byte 10: the header lacks fortran_order"},
      {1, "{'descr': '<f4', 'descr': '<f4'}", "load: file: byte 27: the header has 'descr' twice"},
      {1, "{'descr': '<c32', 'fortran_order': False, 'shape': ()}",
       "load: file: byte 20: dtype '<c32' is not supported"},
      {1, "{'descr': [('a', '<f4')]}", "load: file: byte 20: structured dtypes are not supported"},
      {1, "{'shape': (-1,)}", "load: file: byte 21: the shape should have a size here"},
      {1, "{'shape': (99999999999999999999,)}", "load: file: byte 39: a size of the shape is beyond 64 bits"},
      {1, "{'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
       "load: file: byte 85: the shape has more than 32 axes"},
      {1, "{'descr': '<f4", "load: file: byte 21: a quoted text of the header doesn't end"},
      {1, "{'other': 1}", "load: file: byte 11: the header has an unknown key 'other'"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
       "load: file: byte 10: a shape that starts with 4611686018427387904 and has 2 axes of float64 needs "
       "more than the 4 bytes "
       "there are"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()} x",
       "load: file: byte 64: something stands behind the header's '}'"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
       "load: file: byte 10: one float64 needs more than the 4 bytes there are"},
      {4, "", "load: file: byte 6: .npy version 4.0 is unknown"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bytes b = npy(cases[i].version, cases[i].header, "data", 4);
    assert_error(&b, cases[i].message);
  }
  bytes b = npy(1, "{}", "", 0);
  b.at[8] = 200;
  assert_error(&b, "load: file: byte 8: the header's length of 200 goes beyond the end at byte 12");
  b = npy(2, "{}", "", 0);
  memset(b.at + 8, 255, 4);
  assert_error(&b, "load: file: byte 8: the header's length of 4294967295 goes beyond the end at byte 14");
  b.count = 0;
  assert_error(&b, "load: file: byte 0: no format starts like this (.npy, .safetensors, .npz, .gguf)");
}

/* ---- safetensors ---- */

static void test_wrong_safetensors(void **state) {
  (void)state;
  const struct {
    const char *header;
    int data;
    const char *message;
  } cases[] = {
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 8,
       "load: file: byte 60: the header is not sound JSON, or memory ran out"},
      {"{} x", 0, "load: file: byte 11: something stands behind the header's JSON"},
      {"{\"a\":1}", 0, "load: file: byte 8: tensor \"a\" is no JSON object"},
      {"{\"a\":{\"shape\":[]}}", 0, "load: file: byte 8: tensor \"a\" has no dtype"},
      {"{\"a\":{\"dtype\":\"F99\"}}", 0, "load: file: byte 8: tensor \"a\": dtype F99 is not supported"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8,
       "load: file: byte 8: tensor \"a\": a size of its shape is none"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,8]}}", 8,
       "load: file: byte 8: tensor \"a\": a size of its shape is none"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8,
       "load: file: byte 8: tensor \"a\": data_offsets are not two sizes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", 8,
       "load: file: byte 8: tensor \"a\": data_offsets [0, 9] don't fit the 8 bytes of data"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
       "load: file: byte 62: tensor \"a\": shape and dtype need 4 bytes, data_offsets give 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"dtype\":\"F32\"}}", 8,
       "load: file: byte 8: tensor \"a\" has two dtype"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[6],"
       "\"data_offsets\":[2,8]}}",
       8, "load: file: byte 117: tensor \"b\" overlaps the one before it"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
       "\"data_offsets\":[4,8]}}",
       8, "load: file: byte 115: bytes before tensor \"b\" belong to none"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 8,
       "load: file: byte 63: the last 6 bytes belong to no tensor"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],"
       "\"data_offsets\":[0,0]}}",
       0, "load: file: byte 8: there are two tensors \"a\""},
      {"{\"__metadata__\":{\"a\":1}}", 0, "load: file: byte 8: metadata \"a\" is no text"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9007199254740992,9007199254740992],\"data_offsets\":[0,8]}}", 8,
       "load: file: byte 93: a shape that starts with 9007199254740992 and has 2 axes of uint8 needs more "
       "than the 8 bytes there "
       "are"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bytes b = {.count = 0};
    add_number(&b, strlen(cases[i].header), 8);
    add(&b, cases[i].header, strlen(cases[i].header));
    add_zeros(&b, (size_t)cases[i].data);
    assert_error(&b, cases[i].message);
  }
  bytes b = {.count = 0};
  add_number(&b, 99999999, 8);
  add(&b, "{}", 2);
  assert_error(&b, "load: file: byte 0: a header of 99999999 bytes doesn't fit the file of 10 bytes");
}

/* ---- npz: one member, with sizes as they are claimed ---- */

typedef struct claims {
  int method;
  uint32_t packed, size, local;
  int count;
} claims;

static bytes npz(claims c, const void *data, size_t count) {
  bytes b = {.count = 0};
  add_number(&b, 0x04034b50, 4);
  add_zeros(&b, 22);
  add_number(&b, 5, 2);
  add_number(&b, 0, 2);
  add(&b, "a.npy", 5);
  add(&b, data, count);
  const size_t directory = b.count;
  for (int i = 0; i < c.count; i++) {
    add_number(&b, 0x02014b50, 4);
    add_number(&b, 0, 6);
    add_number(&b, (uint64_t)c.method, 2);
    add_number(&b, 0, 8);
    add_number(&b, c.packed, 4);
    add_number(&b, c.size, 4);
    add_number(&b, 5, 2);
    add_zeros(&b, 12);
    add_number(&b, c.local, 4);
    add(&b, i ? "b.npy" : "a.npy", 5);
  }
  const size_t end = b.count;
  add_number(&b, 0x06054b50, 4);
  add_number(&b, 0, 4);
  add_number(&b, (uint64_t)c.count, 2);
  add_number(&b, (uint64_t)c.count, 2);
  add_number(&b, end - directory, 4);
  add_number(&b, directory, 4);
  add_number(&b, 0, 2);
  return b;
}

static void test_wrong_npz(void **state) {
  (void)state;
  const bytes inner = npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", "\1\2\3\4", 4);
  const uint32_t n = (uint32_t)inner.count; /* 71: the directory begins at byte 106 */
  bytes b = npz((claims){0, n, n, 0, 1}, inner.at, n);
  assert_reads(&b, PONS_UINT8, 4, (double[]){1, 2, 3, 4});
  b = npz((claims){0, n, n, 0, 2}, inner.at, n);
  assert_error(&b, "load: file: byte 199: two members overlap at byte 0");
  b = npz((claims){0, n + 1, n + 1, 0, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 126: a member's 72 bytes don't fit before the directory");
  b = npz((claims){0, n, 4000000000u, 0, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 126: a stored member has two sizes");
  b = npz((claims){8, n, 4000000000u, 0, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 130: 71 deflated bytes can't make 4000000000");
  b = npz((claims){8, n, 4000, 0, 1}, inner.at, n);
  pons_named named = pons_load_bytes(b.at, b.count, "file");
  assert_null(named);
  assert_non_null(strstr(pons_error(), "damaged deflate data"));
  pons_clear_error();
  b = npz((claims){12, n, n, 0, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 116: compression method 12 is not supported, only stored and deflate");
  b = npz((claims){0, n, n, 7, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 7: no member begins where the directory says");
  b = npz((claims){0, n, n, 0xffffffff, 1}, inner.at, n);
  assert_error(&b, "load: file: byte 157: the zip64 sizes of a member are missing");
  b = npz((claims){0, 1, 1, 0, 1}, "x", 1);
  assert_error(&b, "load: file: byte 36: an .npy file ends after 1 bytes");
  b.count -= 1;
  assert_error(&b, "load: file: byte 108: no end record of a zip archive: the file is cut short or damaged");
}

/* ---- gguf: one tensor, one metadata entry, as they are claimed ---- */

typedef struct gguf {
  uint64_t version, tensors, metadata, key_length, value_type, alignment, ndim, dim, type, offset;
  size_t data;
} gguf;

static bytes gguf_file(gguf g) {
  bytes b = {.count = 0};
  add(&b, "GGUF", 4);
  add_number(&b, g.version, 4);
  add_number(&b, g.tensors, 8);
  add_number(&b, g.metadata, 8);
  add_number(&b, g.key_length, 8); /* byte 24 */
  add(&b, "general.alignment", 17);
  add_number(&b, g.value_type, 4); /* byte 49 */
  add_number(&b, g.alignment, 4);
  for (uint64_t i = 0; i < (g.tensors < 3 ? g.tensors : 1); i++) {
    add_number(&b, 1, 8); /* byte 57 */
    add(&b, i ? "b" : "a", 1);
    add_number(&b, g.ndim, 4); /* byte 66 */
    add_number(&b, g.dim, 8);
    add_number(&b, g.type, 4); /* byte 78 */
    add_number(&b, g.offset, 8);
  }
  while (b.count % 32) add_number(&b, 0, 1);
  add_zeros(&b, g.data);
  return b;
}

static void test_wrong_gguf(void **state) {
  (void)state;
  const gguf sound = {3, 1, 1, 17, 4, 32, 1, 4, 24, 0, 32}; /* int8; its data begin at byte 96 */
  bytes b = gguf_file(sound);
  assert_reads(&b, PONS_INT8, 4, (double[]){0, 0, 0, 0});
  struct {
    size_t member;
    uint64_t value;
    const char *message;
  } cases[] = {
      {offsetof(gguf, version), 1, "load: file: byte 4: .gguf version 1 is not supported, only 2 and 3"},
      {offsetof(gguf, version), 3 << 24, "load: file: byte 4: big-endian .gguf files are not supported"},
      {offsetof(gguf, tensors), 1ull << 40,
       "load: file: byte 8: 1099511627776 tensors and 1 metadata entries don't fit a file of 128 bytes"},
      {offsetof(gguf, metadata), 1ull << 60,
       "load: file: byte 8: 1 tensors and 1152921504606846976 metadata entries don't fit a file of 128 "
       "bytes"},
      {offsetof(gguf, tensors), 2, "load: file: byte 90: tensor \"b\" overlaps \"a\""},
      {offsetof(gguf, key_length), UINT64_MAX,
       "load: file: byte 24: a metadata entry's name has 18446744073709551615 bytes, and the file 96 more"},
      {offsetof(gguf, value_type), 77,
       "load: file: byte 49: metadata \"general.alignment\": unknown type 77"},
      {offsetof(gguf, value_type), 5,
       "load: file: byte 49: general.alignment is no uint32 that is a power of 2"},
      {offsetof(gguf, alignment), 48,
       "load: file: byte 49: general.alignment is no uint32 that is a power of 2"},
      {offsetof(gguf, alignment), 0,
       "load: file: byte 49: general.alignment is no uint32 that is a power of 2"},
      {offsetof(gguf, ndim), 33, "load: file: byte 66: tensor \"a\" has 33 axes, more than 32"},
      {offsetof(gguf, dim), 1ull << 63, "load: file: byte 70: tensor \"a\": a size of 9223372036854775808"},
      {offsetof(gguf, dim), 33,
       "load: file: byte 57: tensor \"a\": its shape as I8 needs more than the 32 bytes from its offset"},
      {offsetof(gguf, type), 4, "load: file: byte 78: tensor \"a\" has type 4, which is not supported"},
      {offsetof(gguf, type), 12,
       "load: file: byte 57: tensor \"a\": a last axis of 4 is no multiple of the 256 of a block of Q4_K"},
      {offsetof(gguf, offset), 16,
       "load: file: byte 57: tensor \"a\": offset 16 is no multiple of the alignment 32"},
      {offsetof(gguf, offset), 64,
       "load: file: byte 57: tensor \"a\": offset 64 is beyond the 32 bytes of data"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gguf g = sound;
    memcpy((char *)&g + cases[i].member, &cases[i].value, sizeof cases[i].value);
    b = gguf_file(g);
    assert_error(&b, cases[i].message);
  }
}

/* ---- every byte ---- */

/* Reads all there is; errors are fine. True if the file was read. */
static bool read_all(const unsigned char *at, size_t count) {
  const pons_scope scope = pons_scope_open();
  pons_named n = pons_load_bytes(at, count, "file");
  for (int64_t i = 0; n && i < pons_named_count(n); i++) pons_item(pons_sum(pons_named_at(n, i)));
  const bool good = n != NULL;
  assert_true(good || !pons_ok());
  pons_named_free(n);
  pons_scope_close(scope);
  pons_clear_error();
  return good;
}

static unsigned char *written(const char *name, bool compressed, size_t *count) {
  const pons_scope scope = pons_scope_open();
  pons_named n = pons_named_new();
  pons_named_set(n, "a", pons_arange(0, 3, 1, PONS_FLOAT32));
  if (!strstr(name, ".npy")) pons_named_set(n, "b", pons_ones(PONS_SHAPE(2, 1), PONS_INT8));
  if (strstr(name, ".safetensors") || strstr(name, ".gguf")) pons_named_set_metadata(n, "key", "value");
  if (strstr(name, ".gguf")) {
    pons_named_set_metadata_texts(n, "list", (const char *[]){"one", "two"}, 2);
    pons_named_set_metadata_array(n, "numbers", pons_arange(0, 3, 1, PONS_INT16));
  }
  char path[64];
  snprintf(path, sizeof path, "damaged_test.%ld.%s", (long)getpid(), name);
  assert_true(compressed ? pons_savez_compressed(path, n) : pons_save(path, n));
  pons_named_free(n);
  pons_scope_close(scope);
  FILE *f = fopen(path, "rb");
  unsigned char *at = malloc(4096);
  *count = fread(at, 1, 4096, f);
  fclose(f);
  unlink(path);
  return at;
}

static void test_cut_or_altered_anywhere(void **state) {
  (void)state;
  const char *names[] = {"npy", "npz", "npz", "safetensors", "gguf"};
  const int64_t live = pons_live_arrays();
  for (int i = 0; i < 5; i++) {
    char name[32];
    snprintf(name, sizeof name, "x.%s", names[i]);
    size_t count;
    unsigned char *at = written(name, i == 2, &count);
    assert_true(read_all(at, count));
    const size_t padding = i == 4 ? 30 : 0; /* behind the last tensor of a .gguf file; it may be missing */
    for (size_t end = 0; end < count - padding; end++) assert_false(read_all(at, end));
    for (size_t k = 0; k < count; k++) {
      const unsigned char was = at[k];
      const unsigned char values[] = {0, 255, (unsigned char)(was + 1), (unsigned char)(was - 1),
                                      (unsigned char)(was ^ 128)};
      for (size_t v = 0; v < sizeof values; v++) {
        at[k] = values[v];
        read_all(at, count);
      }
      at[k] = was;
    }
    free(at);
  }
  assert_int_equal(pons_live_arrays(), live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_npy_in_other_words), cmocka_unit_test(test_wrong_npy),
      cmocka_unit_test(test_wrong_safetensors),  cmocka_unit_test(test_wrong_npz),
      cmocka_unit_test(test_wrong_gguf),         cmocka_unit_test(test_cut_or_altered_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
