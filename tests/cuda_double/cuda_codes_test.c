/* cuda_codes_test.c: products of int8 and of fp8 codes on the double of cuBLASLt: with the sums of integers that C makes, however operands
   lie, on devices that have the units and on those that have not. It judges what is asked of the library, not the hardware. */
#include "device/device.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include <pons/quantized.h>
#include "tests/cuda_double/cublaslt_faults.h"
#include "tests/seed.h"
#include <math.h>

enum { BATCH = 3, M = 5, N = 32, K = 48, WIDE = K + 16, MOST = BATCH * 8 * WIDE * 8 };

/* ---- operands: bytes, and how a matrix lies among them ---- */

static uint8_t bytes[2][MOST];

/* An operand is [batch] rows x inner, or the transpose of that; or it lies the other way round, or in wider rows, from `first` on. */
typedef struct lying {
  bool turned; /* the axis that is summed over is not the dense one */
  int64_t width, first;
  int64_t batch; /* 0: no axis for it */
} lying;

static int64_t place_of(lying x, int64_t b, int64_t row, int64_t k, int64_t rows) {
  const int64_t matrix = x.turned ? K * x.width : rows * x.width;
  return x.first + (x.batch > 1 ? b * matrix : 0) + (x.turned ? k * x.width + row : row * x.width + k);
}

/* Rows of K codes, as an array of (rows, K) or (batch, rows, K). */
static pons_array array_of(int which, lying x, int64_t rows, pons_dtype dtype) {
  const int64_t matrix[2] = {x.turned ? K : rows, x.turned ? rows : K}, whole = matrix[0] * x.width;
  const int64_t batch = x.batch ? x.batch : 1;
  pons_array all = pons_array_from(bytes[which], PONS_SHAPE(MOST), PONS_UINT8);
  pons_array part = pons_slice(all, PONS_SHAPE(x.first), PONS_SHAPE(x.first + batch * whole), PONS_SHAPE(1));
  part = pons_slice(pons_reshape(part, PONS_SHAPE(batch, matrix[0], x.width)), PONS_SHAPE(0, 0, 0),
                    PONS_SHAPE(batch, matrix[0], matrix[1]), PONS_SHAPE(1, 1, 1));
  if (dtype == PONS_INT8) part = pons_view(part, PONS_INT8);
  if (x.turned) part = pons_swapaxes(part, -1, -2);
  return x.batch ? part : pons_squeeze(part, PONS_AXES(0));
}

static double fp8_value(uint8_t code) {
  const int exponent = code >> 3 & 15, fraction = code & 7;
  const double size = exponent ? ldexp(8 + fraction, exponent - 10) : ldexp(fraction, -9);
  return code >> 7 ? -size : size;
}

static double value(bool fp8, uint8_t code) { return fp8 ? fp8_value(code) : (double)(int8_t)code; }

static double sum_of(bool fp8, lying a, lying b, int64_t batch, int64_t m, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < K; k++)
    sum += value(fp8, bytes[0][place_of(a, batch, m, k, M)]) * value(fp8, bytes[1][place_of(b, batch, n, k, N)]);
  return sum;
}

/* ---- products ---- */

static uint64_t state;
static uint8_t next_byte(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint8_t)(state >> 56);
}

/* fp8 up to 2, lest sums leave what float16 has digits for; no NaN. */
static void fill_bytes(bool fp8) {
  for (int i = 0; i < 2 * MOST; i++) {
    const uint8_t byte = next_byte();
    bytes[i / MOST][i % MOST] = fp8 ? byte & 0xbf : byte;
  }
}

static const lying dense = {.width = K}, dense_b = {.width = K};

/* The product of what lies so, in the dtype, is what C sums up, to `digits` of its own. */
static void check_product(bool fp8, lying a, lying b, pons_dtype dtype, double digits) {
  fill_bytes(fp8);
  const pons_scope s = pons_scope_open();
  pons_array x = array_of(0, a, M, fp8 ? PONS_UINT8 : PONS_INT8), y = array_of(1, b, N, fp8 ? PONS_UINT8 : PONS_INT8);
  x = fp8 ? pons_from_fp8(x, dtype) : pons_astype(x, dtype);
  y = fp8 ? pons_from_fp8(y, dtype) : pons_astype(y, dtype);
  pons_array product = pons_astype(pons_matmul(x, pons_swapaxes(y, -1, -2)), PONS_FLOAT32);
  const float *found = pons_data(product);
  CHECK(found);
  const int64_t batch = a.batch > b.batch ? a.batch : b.batch;
  for (int64_t i = 0; i < (batch ? batch : 1) * M * N; i++) {
    const double expected = sum_of(fp8, a, b, i / (M * N), i / N % M, i % N);
    if (fabs(found[i] - expected) <= fabs(expected) * digits) continue;
    print_error("fp8 %d, dtype %d, element %d: %g, expected %g\n", fp8, (int)dtype, (int)i, (double)found[i], expected);
    _exit(1);
  }
  pons_scope_close(s);
}

static const lying ways[] = {{.width = K},                           /* as the library wants it */
                             {.width = WIDE},                        /* rows with room between them */
                             {.width = K + 2},                       /* rows that begin anywhere */
                             {.width = K, .first = 16},              /* aligned */
                             {.width = K, .first = 3},               /* not aligned */
                             {.turned = true, .width = WIDE},        /* summed over the other axis */
                             {.width = K, .batch = 1},               /* the same for the whole batch */
                             {.width = WIDE, .batch = BATCH, .first = 1},
                             {.turned = true, .width = WIDE, .batch = BATCH}};
enum { WAYS = sizeof ways / sizeof *ways };

static void every_way(bool fp8, pons_dtype dtype, double digits) {
  for (int i = 0; i < WAYS; i++)
    for (int k = 0; k < WAYS; k++)
      if (!ways[i].batch == !ways[k].batch) check_product(fp8, ways[i], ways[k], dtype, digits);
}

/* Of int8 every sum is exact, and rounded once. */
static void products_of_int8(void) {
  pons_set_default_device("cuda");
  every_way(false, PONS_FLOAT32, 0);
  check_product(false, dense, dense_b, PONS_FLOAT64, 0);
  check_product(false, dense, dense_b, PONS_BFLOAT16, 0x1p-8);
  check_product(false, (lying){.width = WIDE, .batch = BATCH}, dense_b, PONS_BFLOAT16, 0x1p-8);
}
static void products_of_fp8(void) {
  pons_set_default_device("cuda");
  every_way(true, PONS_BFLOAT16, 0x1p-8);
  every_way(true, PONS_FLOAT16, 0x1p-11);
}
static void products_of_fp8_as_float32(void) {
  pons_set_default_device("cuda");
  check_product(true, dense, dense_b, PONS_FLOAT32, 0x1p-20);
}

static void by_int8(void) {
  products_of_int8();
  CHECK(cublaslt_count("int8 product") > 40);
}
static void not_by_int8(void) {
  products_of_int8();
  CHECK(cublaslt_count("int8 product") == 0);
}
static void by_fp8(void) {
  products_of_fp8();
  CHECK(cublaslt_count("fp8 product") > 80);
}
static void not_by_fp8(void) {
  products_of_fp8();
  CHECK(cublaslt_count("fp8 product") == 0);
}
static void float32_by_fp8(void) {
  products_of_fp8_as_float32();
  CHECK(cublaslt_count("fp8 product") == 1);
}
static void float32_not_by_fp8(void) {
  products_of_fp8_as_float32();
  CHECK(cublaslt_count("fp8 product") == 0);
}

static void int8_goes_to_the_library(void **unused) {
  (void)unused;
  passes(by_int8, "A=1");
  passes(by_int8, "CUDA_DOUBLE_ARCH=75;CUDA_DOUBLE_EARLY=1");
  passes(by_int8, "PONS_CUDA_AUTOTUNE=1;PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=3");
  passes(not_by_int8, "CUDA_DOUBLE_ARCH=70");
  passes(not_by_int8, "NO_CUBLASLT=1");
  passes(not_by_int8, "DOUBLE_FAULTS=cublasLtMatmulAlgoGetHeuristic:1+=15");
}

/* CUDA before 11.8 has no such type: layouts of it can't be made. */
static void fp8_goes_to_the_library(void **unused) {
  (void)unused;
  passes(by_fp8, "CUDA_DOUBLE_ARCH=90");
  passes(by_fp8, "CUDA_DOUBLE_ARCH=89;CUDA_DOUBLE_EARLY=1");
  passes(by_fp8, "CUDA_DOUBLE_ARCH=90;PONS_CUDA_AUTOTUNE=1;PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=3");
  passes(not_by_fp8, "A=1");
  passes(not_by_fp8, "CUDA_DOUBLE_ARCH=90;CUDA_DOUBLE_FP8=0");
  passes(float32_not_by_fp8, "CUDA_DOUBLE_ARCH=90");
  passes(float32_by_fp8, "CUDA_DOUBLE_ARCH=90;PONS_CUDA_TF32=1");
}

/* What is fused with the cast of the sums, how many launches there are, and sizes that don't suit. */
static void launches_beside_a_product(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  fill_bytes(false);
  pons_array x = array_of(0, dense, M, PONS_INT8), w = array_of(1, dense_b, N, PONS_INT8);
  CHECK(pons_eval_many((pons_array[]){x, w}, 2));
  const long before = count("cuLaunchKernel");
  pons_array y = pons_matmul(pons_astype(x, PONS_FLOAT32), pons_transpose(pons_astype(w, PONS_FLOAT32)));
  CHECK(pons_eval(pons_multiply(pons_add(y, pons_float(1)), pons_float(0.5))));
  CHECK(count("cuLaunchKernel") == before + 1 && cublaslt_count("int8 product") == 1);
  pons_array part = pons_slice(w, PONS_SHAPE(0, 0), PONS_SHAPE(N - 1, K), PONS_SHAPE(1, 1));
  CHECK(pons_eval(pons_matmul(pons_astype(x, PONS_FLOAT32), pons_transpose(pons_astype(part, PONS_FLOAT32)))));
  CHECK(cublaslt_count("int8 product") == 1);
  pons_scope_close(s);
}

/* A row and an activation come to a product of fp8 in the library, to one of int8 in the kernel that casts. */
static void a_layer(bool fp8, bool by_addmm, pons_dtype dtype, long kernels) {
  pons_set_default_device("cuda");
  fill_bytes(fp8);
  const pons_scope s = pons_scope_open();
  float row[N];
  for (int i = 0; i < N; i++) row[i] = (float)(i - 10);
  pons_array x = array_of(0, dense, M, fp8 ? PONS_UINT8 : PONS_INT8), w = array_of(1, dense_b, N, fp8 ? PONS_UINT8 : PONS_INT8);
  pons_array bias = pons_astype(pons_array_from(row, PONS_SHAPE(N), PONS_FLOAT32), dtype);
  CHECK(pons_eval_many((pons_array[]){x, w, bias}, 3));
  const long before = count("cuLaunchKernel");
  x = fp8 ? pons_from_fp8(x, dtype) : pons_astype(x, dtype);
  w = fp8 ? pons_from_fp8(w, dtype) : pons_astype(w, dtype);
  w = pons_transpose(w);
  pons_array y = pons_maximum(by_addmm ? pons_addmm(bias, x, w, 1, 1) : pons_add(pons_matmul(x, w), bias), pons_float(0));
  CHECK(pons_eval(y) && count("cuLaunchKernel") == before + kernels);
  const float *found = pons_data(pons_astype(y, PONS_FLOAT32));
  CHECK(found);
  for (int i = 0; i < M * N; i++) {
    const double sum = sum_of(fp8, dense, dense_b, 0, i / N, i % N) + (double)row[i % N], expected = sum > 0 ? sum : 0;
    CHECK(fabs(found[i] - expected) <= expected * (fp8 ? 0x1p-8 : 0));
  }
  CHECK(cublaslt_count(fp8 ? "fp8 product" : "int8 product") == 1);
  pons_scope_close(s);
}
static void a_layer_of_int8(void) { a_layer(false, true, PONS_FLOAT32, 1); }
static void a_sum_of_int8(void) { a_layer(false, false, PONS_FLOAT32, 1); }
static void a_layer_of_fp8(void) { a_layer(true, true, PONS_BFLOAT16, 0); }
static void a_sum_of_fp8(void) { a_layer(true, false, PONS_BFLOAT16, 0); }
static void a_layer_of_fp8_in_steps(void) { a_layer(true, true, PONS_BFLOAT16, 2); } /* the row is copied first, then comes the activation */

/* NaN is 0x7f and 0xff, and what follows is no infinity. */
static void not_a_number(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  memset(bytes, 0, sizeof bytes);
  bytes[0][0] = 0x7e, bytes[1][0] = 0x7e; /* 448 */
  bytes[0][K] = 0xff, bytes[1][1] = 0x38; /* NaN; 1 */
  pons_array x = pons_from_fp8(array_of(0, dense, M, PONS_UINT8), PONS_BFLOAT16);
  pons_array y = pons_from_fp8(array_of(1, dense_b, N, PONS_UINT8), PONS_BFLOAT16);
  const float *found = pons_data(pons_astype(pons_matmul(x, pons_transpose(y)), PONS_FLOAT32));
  CHECK(found && found[0] == 200704 && found[N] != found[N] && found[2 * N] == 0);
  CHECK(cublaslt_count("fp8 product") == 1);
  pons_scope_close(s);
}

static void what_is_beside_a_product(void **unused) {
  (void)unused;
  passes(launches_beside_a_product, "A=1");
  passes(a_layer_of_int8, "A=1");
  passes(a_sum_of_int8, "A=1");
  passes(a_layer_of_fp8, "CUDA_DOUBLE_ARCH=90");
  passes(a_sum_of_fp8, "CUDA_DOUBLE_ARCH=90");
  passes(a_layer_of_fp8_in_steps, "CUDA_DOUBLE_ARCH=90;DOUBLE_FAULTS=epilogue:1+=15");
  passes(not_a_number, "CUDA_DOUBLE_ARCH=90");
}

/* A call that fails once: the product is made of floats, or is an error; the next is what it is to be. */
static void a_product_or_an_error(void) {
  pons_set_default_device("cuda");
  fill_bytes(false);
  for (int i = 0; i < 2; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = pons_astype(array_of(0, ways[4], M, PONS_INT8), PONS_FLOAT32);
    pons_array y = pons_astype(array_of(1, ways[5], N, PONS_INT8), PONS_FLOAT32);
    pons_array product = pons_matmul(x, pons_transpose(y));
    const float *found = pons_data(product);
    CHECK(found ? (double)found[N + 3] == sum_of(false, ways[4], ways[5], 0, 1, 3)
                : i == 0 && told("status 13 of cuBLAS"));
    pons_clear_error();
    pons_scope_close(s);
  }
}

static void each_call_may_fail(void **unused) {
  (void)unused;
  char settings[128];
  passes_whichever_call_fails(a_product_or_an_error);
  for (int i = 1; i < 9; i++) {
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=cuMemAllocFromPoolAsync:%d=2", i);
    passes(a_product_or_an_error, settings);
  }
}

/* Without memory there the host multiplies the codes. */
static void codes_on_the_host(void) {
  pons_set_default_device("cuda");
  for (int i = 0; i < WAYS; i++) {
    check_product(false, ways[i], ways[i], PONS_FLOAT32, 0);
    check_product(true, ways[i], ways[i], PONS_BFLOAT16, 0x1p-8);
  }
  CHECK(pons_ok());
}

static void memory_is_short(void **unused) {
  (void)unused;
  passes(codes_on_the_host, "CUDA_DOUBLE_ARCH=90;DOUBLE_FAULTS=cuMemAllocFromPoolAsync:2+=2");
  passes(codes_on_the_host, "CUDA_DOUBLE_ARCH=90;CUDA_DOUBLE_MEMORY=6000");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  state = seed_of_run(20261126);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(int8_goes_to_the_library),
      cmocka_unit_test(fp8_goes_to_the_library),
      cmocka_unit_test(what_is_beside_a_product),
      cmocka_unit_test(each_call_may_fail),
      cmocka_unit_test(memory_is_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
