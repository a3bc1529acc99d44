/* files_test.c: files are read as they were written, mapped where they can be, and appear whole or not at
   all. */
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

static char folder[] = "files_test.XXXXXX";
static int64_t live;

static const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int make_folder(void **state) {
  (void)state;
  live = pons_live_arrays();
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder); /* fails if a test left a file behind */
}

/* The first `dtypes`, in shapes that include a scalar and an empty array; some are transposed views. */
static pons_named sample(int dtypes, bool with_empty) {
  pons_named n = pons_named_new();
  const pons_scope scope = pons_scope_open();
  for (int d = 0; d < dtypes; d++) {
    char key[64];
    snprintf(key, sizeof key, "layers.%d/%s \xc3\xa9", d, pons_dtype_name((pons_dtype)d));
    pons_array a = pons_astype(pons_arange(0, 6, 1, PONS_FLOAT32), (pons_dtype)d);
    a = pons_transpose(pons_reshape(a, PONS_SHAPE(3, 2)));
    assert_true(pons_named_set(n, key, a));
  }
  assert_true(pons_named_set(n, "scalar", pons_scalar(2.5, PONS_FLOAT64)));
  if (with_empty) assert_true(pons_named_set(n, "empty", pons_zeros(PONS_SHAPE(3, 0, 2), PONS_FLOAT32)));
  pons_scope_close(scope);
  return n;
}

static void assert_same(pons_named a, pons_named b) {
  assert_int_equal(pons_named_count(a), pons_named_count(b));
  for (int64_t i = 0; i < pons_named_count(a); i++) {
    pons_array x = pons_named_at(a, i), y = pons_named_at(b, i);
    assert_string_equal(pons_named_key(a, i), pons_named_key(b, i));
    assert_int_equal(pons_dtype_of(x), pons_dtype_of(y));
    assert_int_equal(pons_ndim(x), pons_ndim(y));
    for (int k = 0; k < pons_ndim(x); k++) assert_int_equal(pons_dim(x, k), pons_dim(y, k));
    if (pons_nbytes(x)) assert_memory_equal(pons_data(x), pons_data(y), pons_nbytes(x));
  }
}

static void round_trip(const char *name, int dtypes, bool compressed) {
  pons_named n = sample(dtypes, true);
  const char *path = in_folder(name);
  assert_true(compressed ? pons_savez_compressed(path, n) : pons_save(path, n));
  pons_named again = pons_load(path);
  assert_non_null(again);
  assert_same(n, again);
  pons_named_free(again);
  pons_named_free(n);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(pons_live_arrays(), live);
  assert_true(pons_ok());
}

static void test_npz(void **state) {
  (void)state;
  round_trip("a.npz", PONS_DTYPE_COUNT, false);
}

static void test_npz_compressed(void **state) {
  (void)state;
  round_trip("a.npz", PONS_DTYPE_COUNT, true);
}

static void test_safetensors(void **state) {
  (void)state;
  round_trip("a.safetensors", PONS_COMPLEX128, false); /* all before it */
  pons_named n = sample(PONS_DTYPE_COUNT, false);
  assert_false(pons_save(in_folder("a.safetensors"), n));
  assert_string_equal(pons_error(), "save: tensor \"layers.14/complex128 \xc3\xa9\": .safetensors files hold no complex128");
  pons_clear_error();
  pons_named_free(n);
}

static void test_npy(void **state) {
  (void)state;
  pons_named n = sample(PONS_DTYPE_COUNT, true);
  const char *path = in_folder("a.npy");
  for (int64_t i = 0; i < pons_named_count(n); i++) {
    pons_named one = pons_named_new();
    pons_named_set(one, "arr_0", pons_named_at(n, i));
    assert_true(pons_save_array(path, pons_named_at(n, i)));
    pons_named again = pons_load(path);
    assert_same(one, again);
    pons_named_free(one);
    pons_named_free(again);
  }
  assert_false(pons_save(path, n));
  assert_string_equal(pons_error(), "save: an .npy file holds one array, not 17");
  pons_clear_error();
  pons_named_free(n);
  unlink(path);
}

static void test_metadata(void **state) {
  (void)state;
  const char *path = in_folder("m.safetensors");
  pons_named n = pons_named_new();
  pons_named_set_metadata(n, "format", "a \"quoted\"\n text");
  assert_true(pons_save(path, n));
  pons_named again = pons_load(path);
  assert_string_equal(pons_named_metadata(again, "format"), "a \"quoted\"\n text");
  assert_int_equal(pons_named_count(again), 0);
  pons_named_free(n);
  pons_named_free(again);
  unlink(path);
}

static void test_load_array(void **state) {
  (void)state;
  const char *path = in_folder("one.npz");
  const pons_scope scope = pons_scope_open();
  assert_true(pons_save_array(path, pons_arange(0, 5, 1, PONS_INT16)));
  pons_array a = pons_load_array(path);
  assert_int_equal(pons_item_int(pons_sum(a)), 10);
  pons_named n = sample(PONS_DTYPE_COUNT, false);
  assert_true(pons_save(path, n));
  assert_non_null(strstr(pons_error_of(pons_load_array(path)), "holds 16 arrays"));
  pons_clear_error();
  assert_non_null(pons_error_of(pons_load_array("no such file.npz")));
  assert_non_null(strstr(pons_error(), "load: no such file.npz: No such file or directory"));
  pons_clear_error();
  pons_named_free(n);
  pons_scope_close(scope);
  unlink(path);
  assert_int_equal(pons_live_arrays(), live);
}

/* Is `address` in a mapping of the file called `name`? */
static bool is_mapped_from(const void *address, const char *name) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  bool found = false;
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long long from, to;
    if (sscanf(line, "%llx-%llx", &from, &to) == 2 && (uintptr_t)address >= from && (uintptr_t)address < to)
      found = strstr(line, name) != NULL;
  }
  if (maps) fclose(maps);
  return found;
}

static void test_elements_stay_in_the_file(void **state) {
  (void)state;
  if (access("/proc/self/maps", R_OK) != 0) skip();
  const char *names[] = {"big.npy", "big.npz", "big.safetensors"};
  for (int i = 0; i < 3; i++) {
    const char *path = in_folder(names[i]);
    const pons_scope scope = pons_scope_open();
    assert_true(pons_save_array(path, pons_arange(0, 100000, 1, PONS_FLOAT32)));
    pons_array a = pons_load_array(path);
    const float *data = pons_data(a);
    assert_true(is_mapped_from(data, names[i]));
    assert_int_equal((uintptr_t)data % 64, 0);
    unlink(path); /* the array outlives the name */
    assert_true(data[99999] == 99999);
    assert_true(pons_item(pons_max(pons_multiply(a, a))) == 99999.f * 99999.f);
    pons_scope_close(scope);
  }
}

static void test_a_failed_save_changes_nothing(void **state) {
  (void)state;
  const char *path = in_folder("kept.npz");
  const pons_scope scope = pons_scope_open();
  assert_true(pons_save_array(path, pons_scalar(1, PONS_INT32)));
  pons_array wrong =
      pons_matmul(pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32), pons_zeros(PONS_SHAPE(2, 4), PONS_FLOAT32));
  assert_false(pons_save_array(path, wrong));
  pons_clear_error();
  assert_false(pons_save_array(in_folder("no/such/folder.npy"), pons_scalar(1, PONS_INT32)));
  assert_non_null(strstr(pons_error(), "No such file or directory"));
  pons_clear_error();
  assert_false(pons_save_array(in_folder("no.ending"), pons_scalar(1, PONS_INT32)));
  pons_clear_error();
  path = in_folder("kept.npz");
  /* Saved over the file that its own elements lie in. */
  pons_array a = pons_load_array(path);
  assert_true(pons_save_array(path, a));
  assert_int_equal(pons_item_int(pons_load_array(path)), 1);
  pons_scope_close(scope);
  unlink(path); /* remove_folder sees whether anything else is left */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_npz),
      cmocka_unit_test(test_npz_compressed),
      cmocka_unit_test(test_safetensors),
      cmocka_unit_test(test_npy),
      cmocka_unit_test(test_metadata),
      cmocka_unit_test(test_load_array),
      cmocka_unit_test(test_elements_stay_in_the_file),
      cmocka_unit_test(test_a_failed_save_changes_nothing),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
