/* cuda_tune_test.c: the fastest of cuBLASLt's algorithms is found, kept in a file and taken from it, on the doubles: each of their
   algorithms takes as long as it is told, by a clock of their own, and computes the same. It judges what is asked of the library and what
   is believed of a file, not what is fast. */
#include "backends/cuda/cuda.h"
#include "device/device.h"
#include <dirent.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

static char folder[] = "/tmp/pons_tune_XXXXXX";
#define WANTED "PONS_CUDA_AUTOTUNE=1;"

/* ---- products, and the algorithms that made them ---- */

enum { ALGORITHMS = 8, M = 4, K = 6, N = 8 };

static long runs_of(int algorithm) {
  char name[16];
  snprintf(name, sizeof name, "algorithm %d", algorithm);
  return cublaslt_count(name);
}

static long products(void) { return cublaslt_count("cublasLtMatmul"); }

static pons_array numbers(int rows, int columns, int more) {
  float x[2 * N * N];
  for (int i = 0; i < rows * columns; i++) x[i] = (float)((i * 5 + more) % 7 - 3);
  pons_array a = pons_array_from(x, PONS_SHAPE(rows, columns), PONS_FLOAT32);
  CHECK(pons_eval(a));
  return a;
}

/* 2 a b + 3 c, where c is given */
static void expect_product(pons_array y, pons_array a, pons_array b, pons_array c) {
  const float *at = pons_data(y), *x = pons_data(a), *z = pons_data(b), *w = c ? pons_data(c) : NULL;
  CHECK(at && x && z);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      float sum = 0;
      for (int k = 0; k < K; k++) sum += x[i * K + k] * z[k * N + j];
      CHECK(at[i * N + j] == (w ? 2 * sum + 3 * w[i * N + j] : sum));
    }
}

/* What is added lies in the result when the product is made: were it timed there, it would be added again. */
static void multiply(bool adds) {
  const pons_scope s = pons_scope_open();
  pons_array a = numbers(M, K, 0), b = numbers(K, N, 1), c = adds ? numbers(M, N, 2) : NULL;
  pons_array y = adds ? pons_addmm(c, a, b, 2, 3) : pons_matmul(a, b);
  CHECK(pons_eval(y));
  expect_product(y, a, b, c);
  pons_scope_close(s);
}

/* Set before the process is made. */
static struct {
  int algorithm; /* that is to make the product */
  bool timed;
} expected;

static void expect_choice(bool adds) {
  const long before = products();
  multiply(adds);
  CHECK(expected.timed ? products() - before > 1 : products() - before == 1);
  for (int turn = 0; turn < 2; turn++) {
    long runs[ALGORITHMS];
    for (int i = 0; i < ALGORITHMS; i++) runs[i] = runs_of(i);
    multiply(adds);
    for (int i = 0; i < ALGORITHMS; i++) CHECK(runs_of(i) - runs[i] == (i == expected.algorithm));
  }
}

static void both_products(void) {
  pons_set_default_device("cuda");
  expect_choice(false);
  expect_choice(true);
  pons_clear_cache();
  CHECK(count("device memory") <= 2); /* cuBLASLt's workspace, and what notes wrong indices */
  CHECK(holds_no_more_than_one_device_keeps());
}

static void expect(int algorithm, bool timed, const char *settings) {
  char all[512];
  expected.algorithm = algorithm;
  expected.timed = timed;
  snprintf(all, sizeof all, WANTED "PONS_CACHE_DIR=%s;%s", folder, settings);
  passes(both_products, all);
}

/* ---- files ---- */

/* Calls change(path) for each whose name has `part`; how many there are. */
static int each_with(const char *part, void (*change)(const char *path)) {
  DIR *d = opendir(folder);
  int n = 0;
  for (const struct dirent *e; (e = readdir(d)) != NULL;) {
    char path[512];
    if (e->d_name[0] == '.' || !strstr(e->d_name, part)) continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (change) change(path);
    n++;
  }
  closedir(d);
  return n;
}

static int each_file(void (*change)(const char *path)) { return each_with(".products", change); }

static void discard(const char *path) { unlink(path); }
static void cut(const char *path) { assert_int_equal(truncate(path, 100), 0); }
static void cut_the_end(const char *path) {
  FILE *f = fopen(path, "rb");
  assert_int_equal(fseek(f, 0, SEEK_END), 0);
  const long length = ftell(f);
  fclose(f);
  assert_int_equal(truncate(path, length - 8), 0);
}
static void alter(const char *path) {
  FILE *f = fopen(path, "r+b");
  assert_int_equal(fseek(f, -20, SEEK_END), 0);
  fputc('#', f);
  fclose(f);
}
static void empty(const char *path) { assert_int_equal(truncate(path, 0), 0); }

static void the_fastest_is_taken_and_kept(void **state) {
  (void)state;
  each_file(discard);
  expect(0, false, "CUBLASLT_DOUBLE_FASTEST=5;PONS_CUDA_AUTOTUNE=0");
  assert_int_equal(each_file(NULL), 0);
  expect(5, true, "CUBLASLT_DOUBLE_FASTEST=5");
  assert_int_equal(each_file(NULL), 1);
  expect(5, false, "CUBLASLT_DOUBLE_FASTEST=2");
  expect(0, false, "CUBLASLT_DOUBLE_FASTEST=2;PONS_CUDA_AUTOTUNE=");
  expect(2, true, "CUBLASLT_DOUBLE_FASTEST=2;PONS_CACHE_DIR=");
  expect(7, true, "CUBLASLT_DOUBLE_FASTEST=7;CUDA_DOUBLE_POOLS=0;PONS_CACHE_DIR=");
  expect(3, true, "CUBLASLT_DOUBLE_FASTEST=3;CUDA_DOUBLE_EARLY=1;PONS_CACHE_DIR=");
  assert_int_equal(each_file(NULL), 1);
}

static void what_differs_is_another_problem(void **state) {
  (void)state;
  each_file(discard);
  expect(1, true, "CUBLASLT_DOUBLE_FASTEST=1");
  expect(2, true, "CUBLASLT_DOUBLE_FASTEST=2;PONS_CUDA_TF32=1");
  expect(1, false, "CUBLASLT_DOUBLE_FASTEST=3");
  expect(2, false, "CUBLASLT_DOUBLE_FASTEST=3;PONS_CUDA_TF32=1");
  assert_int_equal(each_file(NULL), 1);
  expect(3, true, "CUBLASLT_DOUBLE_FASTEST=3;CUBLASLT_DOUBLE_VERSION=120500");
  expect(4, true, "CUBLASLT_DOUBLE_FASTEST=4;CUDA_DOUBLE_ARCH=80");
  expect(5, true, "CUBLASLT_DOUBLE_FASTEST=5;CUDA_DOUBLE_DRIVER=12060");
  assert_int_equal(each_file(NULL), 4);
  expect(1, false, "A=1");
}

static void a_damaged_file_is_written_anew(void **state) {
  (void)state;
  void (*const damages[])(const char *) = {cut, cut_the_end, alter, empty};
  each_file(discard);
  expect(1, true, "CUBLASLT_DOUBLE_FASTEST=1");
  for (int i = 0; i < 4; i++) {
    char settings[64];
    assert_int_equal(each_file(damages[i]), 1);
    snprintf(settings, sizeof settings, "CUBLASLT_DOUBLE_FASTEST=%d", i + 2);
    expect(i + 2, true, settings);
    expect(i + 2, false, "A=1");
  }
}

static void what_the_library_refuses_is_timed_anew(void **state) {
  (void)state;
  each_file(discard);
  expect(6, true, "CUBLASLT_DOUBLE_FASTEST=6");
  expect(1, true, "CUBLASLT_DOUBLE_FASTEST=1;CUBLASLT_DOUBLE_ALGORITHMS=3");
  expect(1, false, "CUBLASLT_DOUBLE_FASTEST=6");
}

static void an_algorithm_that_fails_is_not_taken(void **state) {
  (void)state;
  expect(0, true, "PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=2;DOUBLE_FAULTS=algorithm 2:1+=13");
  expect(3, true, "PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=3;DOUBLE_FAULTS=algorithm 0:1=13");
  expect(1, true, "PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=2;DOUBLE_FAULTS=algorithm 2:1+=13,algorithm 0:1+=13");
}

/* ---- where nothing can be timed ---- */

static void without_timing(const char *faults) {
  char settings[256];
  each_file(discard);
  snprintf(settings, sizeof settings, "CUBLASLT_DOUBLE_FASTEST=5;DOUBLE_FAULTS=%s", faults);
  expect(0, !strstr(faults, "EventCreate"), settings);
  assert_int_equal(each_file(NULL), 0);
}

static void memory_of_its_own_is_refused(void) {
  pons_set_default_device("cuda");
  pons_array a = numbers(M, K, 0), b = numbers(K, N, 1);
  multiply(true); /* what a product needs is there */
  char fault[64];
  const long before = products();
  snprintf(fault, sizeof fault, "cuMemAllocFromPoolAsync:%ld=2", count("cuMemAllocFromPoolAsync") + 1);
  setenv("DOUBLE_FAULTS", fault, 1);
  pons_array y = pons_matmul(a, b);
  CHECK(pons_eval(y));
  expect_product(y, a, b, NULL);
  CHECK(products() - before == 1);
}

static void the_heuristics_first_is_taken(void **state) {
  (void)state;
  without_timing("cuEventElapsedTime:1+=1");
  passes(memory_of_its_own_is_refused, WANTED "PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=5");
}

/* Each call on the way fails once: the product is right, whoever made it. */
static void a_product_is_right(void) {
  pons_set_default_device("cuda");
  multiply(true);
  multiply(false);
  pons_clear_cache();
  CHECK(count("device memory") <= 2);
}

static void any_call_may_fail(void **state) {
  (void)state;
  static const char *const calls[] = {"cuEventCreate", "cuEventRecord", "cuEventSynchronize", "cuEventElapsedTime"};
  for (int call = 0; call < 4; call++)
    for (int at = 1; at < 8; at++) {
      char settings[256];
      snprintf(settings, sizeof settings, WANTED "PONS_CACHE_DIR=;DOUBLE_FAULTS=%s:%d=2", calls[call], at);
      passes(a_product_is_right, settings);
    }
  passes(a_product_is_right, WANTED "PONS_CACHE_DIR=;DOUBLE_FAULTS=cublasLtMatmulAlgoGetHeuristic:3=13"); /* when it is asked for several */
}

/* ---- plans that are run again ---- */

static void product_and_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_add(pons_negative(pons_matmul(pons_add(in[0], pons_float(1)), in[1])), pons_float(2));
}

/* The first run is made step by step, and times; the second is noted. */
static void a_graph_takes_it(void) {
  pons_set_default_device("cuda");
  pons_function plain = pons_function_new(product_and_sum, 1, NULL, NULL), f = pons_compile(plain);
  long runs = 0;
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    pons_array in[] = {numbers(M, K, i), numbers(K, N, 1)}, y;
    const long before = products();
    CHECK(pons_call(f, in, 2, &y, 1) && pons_eval(y));
    const float *at = pons_data(y), *a = pons_data(in[0]), *b = pons_data(in[1]);
    float sum = 0;
    for (int k = 0; k < K; k++) sum += (a[k] + 1) * b[k * N];
    CHECK(at && at[0] == 2 - sum);
    if (i > 0) CHECK(products() - before == runs_of(4) - runs);
    runs = runs_of(4);
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") == 3);
  pons_function_release(f);
  pons_function_release(plain);
}

static void graphs_take_the_fastest(void **state) {
  (void)state;
  passes(a_graph_takes_it, WANTED "PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=4");
}

/* ---- several tables, one file; the report ---- */

static void multiply_on(const char *device, int columns, bool timed) {
  pons_set_default_device(device);
  const pons_scope s = pons_scope_open();
  const long before = products();
  CHECK(pons_eval(pons_matmul(numbers(M, K, 0), numbers(K, columns, 1))));
  if ((products() - before > 1) != timed) print_error("%s, %d columns: %ld products\n", device, columns, products() - before), _exit(1);
  pons_scope_close(s);
}

/* Each device reads the file once. What the other adds meanwhile stays. */
static void two_devices(void) {
  multiply_on("cuda:0", 3, true);
  multiply_on("cuda:1", 3, false);
  multiply_on("cuda:0", 4, true);
  multiply_on("cuda:1", 5, true);
}
static void all_three_are_known(void) {
  text json = {0};
  cuda_report(&json);
  CHECK(json.at && strstr(json.at, "as PONS_CUDA_AUTOTUNE asks") && strstr(json.at, "{\"problems\": 3, \"file\": \""));
  text_free(&json);
  for (int columns = 3; columns < 6; columns++) multiply_on("cuda", columns, false);
}
static void it_is_off(void) {
  text json = {0};
  cuda_report(&json);
  CHECK(json.at && strstr(json.at, "heuristics name first"));
  text_free(&json);
}

static void one_file_is_written_by_several(void **state) {
  (void)state;
  char settings[128];
  each_file(discard);
  snprintf(settings, sizeof settings, WANTED "PONS_CACHE_DIR=%s;CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_ALIKE=1", folder);
  passes(two_devices, settings);
  snprintf(settings, sizeof settings, WANTED "PONS_CACHE_DIR=%s", folder);
  passes(all_three_are_known, settings);
  passes(it_is_off, "A=1");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  if (!mkdtemp(folder)) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_fastest_is_taken_and_kept),
      cmocka_unit_test(what_differs_is_another_problem),
      cmocka_unit_test(a_damaged_file_is_written_anew),
      cmocka_unit_test(what_the_library_refuses_is_timed_anew),
      cmocka_unit_test(an_algorithm_that_fails_is_not_taken),
      cmocka_unit_test(the_heuristics_first_is_taken),
      cmocka_unit_test(any_call_may_fail),
      cmocka_unit_test(graphs_take_the_fastest),
      cmocka_unit_test(one_file_is_written_by_several),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  each_with("", discard);
  rmdir(folder);
  return failed;
}
