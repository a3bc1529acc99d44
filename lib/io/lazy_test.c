/* lazy_test.c: a tensor that is not used is not read, whatever has to be done to its bytes; one that is not
   read yet may be captured by an exported function; what is wrong with its bytes is told when they are
   read. */
#include <pons/device.h>
#include <pons/eval.h>
#include <pons/export.h>
#include <pons/io.h>
#include <pons/ops.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "lazy_test.XXXXXX";

static const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

/* Memory of this process that is in use, in bytes, mapped files among it. */
static size_t resident(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  unsigned long all = 0, here = 0;
  if (f && fscanf(f, "%lu %lu", &all, &here) != 2) here = 0;
  if (f) fclose(f);
  return (size_t)here * (size_t)sysconf(_SC_PAGESIZE);
}

enum { LARGE = 1 << 21 }; /* elements */

static void write_file(const char *path, const void *bytes, size_t count) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, count, f), count);
  assert_int_equal(fclose(f), 0);
}

static unsigned char *read_file(const char *path, size_t *count) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  fseek(f, 0, SEEK_END);
  *count = (size_t)ftell(f);
  rewind(f);
  unsigned char *bytes = malloc(*count);
  assert_int_equal(fread(bytes, 1, *count, f), *count);
  fclose(f);
  return bytes;
}

static void test_what_is_not_used_is_not_read(void **state) {
  (void)state;
  if (!resident()) skip();
  const char *names[] = {"large.npy", "large.npz", "large.safetensors", "large.gguf", "packed.npz"};
  for (int i = 0; i < 5; i++) {
    const char *path = in_folder(names[i]);
    pons_scope scope = pons_scope_open();
    pons_named n = pons_named_new();
    pons_named_set(n, i ? "large" : "arr_0", pons_arange(0, LARGE, 1, PONS_FLOAT32));
    if (i) pons_named_set(n, "small", pons_arange(0, 8, 1, PONS_INT32));
    assert_true(i == 4 ? pons_savez_compressed(path, n) : pons_save(path, n));
    pons_named_free(n);
    pons_scope_close(scope);
    pons_clear_cache();
    const size_t before = resident();
    n = pons_load(path);
    assert_non_null(n);
    scope = pons_scope_open();
    if (i) assert_int_equal(pons_item_int(pons_sum(pons_named_get(n, "small"))), 28);
    assert_true(resident() < before + 4 * LARGE / 4);
    const float *data = pons_data(pons_named_at(n, 0));
    volatile float sum = 0;
    for (int k = 0; data && k < LARGE; k += 256) sum = sum + data[k];
    assert_true(resident() > before + 4 * LARGE / 2); /* or the measurement can't tell */
    pons_named_free(n);
    pons_scope_close(scope);
    unlink(path);
  }
}

/* Elements in other ways than memory has them. */
static pons_named unusual(void) {
  static const char header[] =
      "{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3), }    \n"; /* 63 + NUL */
  unsigned char file[10 + 64 + 24] = "\x93NUMPY\1\0";
  file[8] = 63;
  memcpy(file + 10, header, 63);
  for (int i = 0; i < 6; i++) file[10 + 63 + 4 * i + 3] = (unsigned char)(i + 1);
  return pons_load_bytes(file, 10 + 63 + 24, "unusual.npy");
}

static void test_made_when_evaluated(void **state) {
  (void)state;
  const pons_scope scope = pons_scope_open();
  pons_named n = unusual();
  assert_non_null(n);
  pons_array a = pons_named_at(n, 0);
  assert_false(pons_is_evaluated(a));
  const int32_t want[6] = {1, 3, 5, 2, 4, 6};
  assert_memory_equal(pons_data(a), want, sizeof want);
  assert_true(pons_is_evaluated(a));
  pons_named_free(n);
  pons_scope_close(scope);
}

/* The array stays as long as it is held, and so does its file; then both go. */
static void test_arrays_outlive_the_collection(void **state) {
  (void)state;
  const int64_t live = pons_live_arrays();
  pons_scope scope = pons_scope_open();
  pons_named n = unusual();
  pons_array sum = pons_sum(pons_named_at(n, 0));
  pons_named_free(n);
  assert_int_equal(pons_item_int(sum), 21);
  pons_scope_close(scope);
  scope = pons_scope_open();
  pons_named_free(unusual()); /* never evaluated */
  pons_scope_close(scope);
  assert_int_equal(pons_live_arrays(), live);
}

/* One member is sound, the data of the other is damaged: an error when it is read, and only then. */
static void test_a_damaged_member_hurts_itself_alone(void **state) {
  (void)state;
  const char *path = in_folder("damaged.npz");
  const pons_scope scope = pons_scope_open();
  pons_named n = pons_named_new();
  pons_named_set(n, "a", pons_arange(0, 1000, 1, PONS_FLOAT32));
  pons_named_set(n, "b", pons_arange(0, 1000, 1, PONS_INT32));
  assert_true(pons_savez_compressed(path, n));
  pons_named_free(n);
  size_t count;
  unsigned char *bytes = read_file(path, &count);
  size_t b = 0;
  while (memcmp(bytes + b, "b.npy", 5) != 0) b++;
  bytes[b + 900] ^= 0x55;
  write_file(path, bytes, count);
  free(bytes);
  n = pons_load(path);
  assert_non_null(n);
  assert_int_equal((int)pons_item(pons_sum(pons_named_get(n, "a"))), 499500);
  assert_true(pons_ok());
  assert_null(pons_data(pons_named_get(n, "b")));
  assert_non_null(strstr(pons_error(), "load: "));
  assert_non_null(strstr(pons_error(), "damaged.npz: byte "));
  pons_clear_error();
  pons_named_free(n);
  pons_scope_close(scope);
  unlink(path);
}

static void add_captured(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_add(in[0], (pons_array)payload);
}

static void test_captured_by_an_exported_function(void **state) {
  (void)state;
  const char *path = in_folder("captured.mlxfn");
  const pons_scope scope = pons_scope_open();
  pons_named n = unusual();
  pons_array x = pons_ones(PONS_SHAPE(2, 3), PONS_INT32), out = NULL;
  pons_function f = pons_function_new(add_captured, 1, pons_named_at(n, 0), NULL);
  assert_true(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1));
  pons_imported file = pons_import_function(path);
  assert_non_null(file);
  assert_int_equal(pons_imported_call(file, &x, 1, NULL, 0, &out, 1), 1);
  const int32_t want[6] = {2, 4, 6, 3, 5, 7};
  assert_memory_equal(pons_data(out), want, sizeof want);
  pons_imported_release(file);
  pons_function g = pons_compile(f);
  pons_named again = unusual();
  pons_function h = pons_function_new(add_captured, 1, pons_named_at(again, 0), NULL),
                compiled = pons_compile(h);
  for (int i = 0; i < 2; i++) {
    assert_true(pons_call(compiled, &x, 1, &out, 1));
    assert_memory_equal(pons_data(out), want, sizeof want);
  }
  pons_function_release(compiled);
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
  pons_named_free(again);
  pons_named_free(n);
  pons_scope_close(scope);
  unlink(path);
}

static void test_to_memory_and_back(void **state) {
  (void)state;
  const char *formats[] = {"npz", "safetensors", "gguf"};
  for (int i = 0; i < 3; i++) {
    const pons_scope scope = pons_scope_open();
    pons_named n = pons_named_new();
    pons_named_set(n, "x", pons_arange(0, 5, 1, PONS_INT16));
    size_t count = 0;
    void *bytes = pons_save_bytes(formats[i], n, &count);
    assert_non_null(bytes);
    pons_named again = pons_load_bytes(bytes, count, .format = formats[i]);
    assert_non_null(again);
    assert_int_equal(pons_item_int(pons_sum(pons_named_get(again, "x"))), 10);
    assert_null(pons_load_bytes(bytes, count, "bytes", "npy"));
    assert_string_equal(pons_error(), "load: bytes: byte 0: no .npy file starts like this");
    pons_clear_error();
    pons_free(bytes);
    pons_named_free(n);
    pons_named_free(again);
    pons_scope_close(scope);
  }
  assert_null(pons_load("x", .format = "hdf5"));
  assert_non_null(pons_error());
  pons_clear_error();
}

static void test_endings_are_appended(void **state) {
  (void)state;
  const pons_scope scope = pons_scope_open();
  pons_named n = pons_named_new();
  pons_named_set(n, "x", pons_arange(0, 5, 1, PONS_INT16));
  assert_true(pons_savez(in_folder("a"), n));
  assert_int_equal(unlink(in_folder("a.npz")), 0);
  assert_true(pons_savez_compressed(in_folder("a.npz"), n));
  assert_int_equal(unlink(in_folder("a.npz")), 0);
  assert_true(pons_save_safetensors(in_folder("a.b"), n));
  assert_int_equal(unlink(in_folder("a.b.safetensors")), 0);
  assert_true(pons_save_gguf(in_folder("a"), n));
  assert_int_equal(unlink(in_folder("a.gguf")), 0);
  pons_named_free(n);
  pons_scope_close(scope);
}

static void test_metadata_is_not_dropped(void **state) {
  (void)state;
  pons_named n = pons_named_new();
  const pons_scope scope = pons_scope_open();
  pons_named_set_metadata_array(n, "step", pons_scalar(3, PONS_INT32));
  size_t count;
  assert_null(pons_save_bytes("npz", n, &count));
  assert_string_equal(pons_error(), "save: .npz files hold no metadata, and there is \"step\"");
  pons_clear_error();
  assert_null(pons_save_bytes("safetensors", n, &count));
  assert_string_equal(pons_error(), "save: metadata \"step\": .safetensors files hold texts alone");
  pons_clear_error();
  pons_scope_close(scope);
  pons_named_free(n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_not_used_is_not_read),
      cmocka_unit_test(test_made_when_evaluated),
      cmocka_unit_test(test_arrays_outlive_the_collection),
      cmocka_unit_test(test_a_damaged_member_hurts_itself_alone),
      cmocka_unit_test(test_captured_by_an_exported_function),
      cmocka_unit_test(test_to_memory_and_back),
      cmocka_unit_test(test_endings_are_appended),
      cmocka_unit_test(test_metadata_is_not_dropped),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
