/* cuda_arrays_test.c: arrays on the doubles of CUDA's libraries: products by cuBLASLt against those of the CPU, several devices, and
   calls that fail while a plan runs. It judges what is asked of the libraries, not the hardware. */
#include "device/device.h"
#include "tests/seed.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/cublaslt_faults.h"

/* ---- products ---- */

/* Small integers: sums are exact in every dtype. */
static pons_array small(pons_shape shape, pons_dtype dtype) {
  int64_t size = 1;
  for (int i = 0; i < shape.count; i++) size *= shape.at[i];
  pons_array a = pons_arange(0, (double)size, 1, PONS_INT32);
  a = pons_subtract(pons_remainder(pons_multiply(a, pons_int(5)), pons_int(7)), pons_int(3));
  return pons_reshape(pons_astype(a, dtype), shape);
}

static pons_array turned(pons_array a) { return pons_swapaxes(a, -1, -2); }

enum { KINDS = 14 };
static pons_array product(int kind, pons_dtype d) {
  switch (kind) {
    case 0:
      return pons_matmul(small(PONS_SHAPE(4, 5), d), small(PONS_SHAPE(5, 3), d));
    case 1:
      return pons_matmul(turned(small(PONS_SHAPE(5, 4), d)), small(PONS_SHAPE(5, 3), d));
    case 2:
      return pons_matmul(small(PONS_SHAPE(4, 5), d), turned(small(PONS_SHAPE(3, 5), d)));
    case 3:
      return pons_matmul(turned(small(PONS_SHAPE(5, 4), d)), turned(small(PONS_SHAPE(3, 5), d)));
    case 4: /* one b for a batch: one tall product */
      return pons_matmul(small(PONS_SHAPE(2, 3, 4, 5), d), small(PONS_SHAPE(5, 3), d));
    case 5:
      return pons_matmul(small(PONS_SHAPE(3, 4, 5), d), small(PONS_SHAPE(3, 5, 2), d));
    case 6: /* a batch of two axes that can't be joined */
      return pons_matmul(small(PONS_SHAPE(2, 1, 4, 5), d), small(PONS_SHAPE(1, 3, 5, 2), d));
    case 7: /* rows and columns of one */
      return pons_matmul(small(PONS_SHAPE(6, 1, 5), d), small(PONS_SHAPE(5, 1), d));
    case 8: /* parts of larger ones, not aligned */
      return pons_matmul(
          pons_slice(small(PONS_SHAPE(6, 9), d), PONS_SHAPE(1, 1), PONS_SHAPE(5, 6), PONS_SCALAR),
          pons_slice(small(PONS_SHAPE(7, 9), d), PONS_SHAPE(2, 3), PONS_SHAPE(7, 8), PONS_SCALAR));
    case 9:
      return pons_addmm(small(PONS_SHAPE(3), d), small(PONS_SHAPE(4, 5), d), small(PONS_SHAPE(5, 3), d), 2,
                        3);
    case 12: /* what the product itself can add, in one dimension or as a row */
      return pons_addmm(small(PONS_SHAPE(3), d), small(PONS_SHAPE(2, 4, 5), d), small(PONS_SHAPE(2, 5, 3), d),
                        2, 1);
    case 13:
      return pons_addmm(small(PONS_SHAPE(1, 3), d), small(PONS_SHAPE(4, 5), d), small(PONS_SHAPE(5, 3), d), 1,
                        1);
    case 10:
      return pons_addmm(turned(small(PONS_SHAPE(3, 4), d)), small(PONS_SHAPE(2, 4, 5), d),
                        small(PONS_SHAPE(5, 3), d), 1, -1);
    default: /* every second column: dense along no axis */
      return pons_matmul(
          pons_slice(small(PONS_SHAPE(4, 10), d), PONS_SHAPE(0, 0), PONS_SHAPE(4, 10), PONS_SHAPE(1, 2)),
          small(PONS_SHAPE(5, 3), d));
  }
}

static void products_agree(void) {
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16, PONS_FLOAT64,
                                      PONS_COMPLEX64};
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
    for (int kind = 0; kind < KINDS; kind++) {
      const pons_scope s = pons_scope_open();
      pons_set_default_device("cpu");
      pons_array expected = product(kind, dtypes[d]);
      CHECK(pons_eval(expected));
      pons_set_default_device("cuda");
      pons_array found = product(kind, dtypes[d]);
      CHECK(pons_eval(found));
      pons_set_default_device("cpu");
      const bool *same = pons_data(pons_array_equal(found, expected));
      CHECK(same);
      if (!*same) {
        print_error("kind %d, dtype %d: %s\n", kind, (int)dtypes[d], pons_to_text(found));
        print_error("expected %s\n", pons_to_text(expected));
        _exit(1);
      }
      pons_scope_close(s);
    }
  }
  pons_clear_cache();
  CHECK(count("device memory") <= 2); /* cuBLASLt's workspace, and what notes wrong indices */
}

static void products_by_cublaslt_agree(void) {
  products_agree();
  CHECK(count("cuda_double_queue") > 50);
}

/* How many kernels are launched beside a product with a row added to each of its rows. */
static long launches_beside(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  pons_array c = small(PONS_SHAPE(3), PONS_FLOAT32), a = small(PONS_SHAPE(4, 5), PONS_FLOAT32),
             b = small(PONS_SHAPE(5, 3), PONS_FLOAT32);
  CHECK(pons_eval_many((pons_array[]){a, b, c}, 3));
  const long before = count("cuLaunchKernel");
  pons_array y = pons_addmm(c, a, b, 1, 1);
  CHECK(pons_eval(y));
  const long launched = count("cuLaunchKernel") - before;
  pons_scope_close(s);
  return launched;
}
static void a_row_is_added_by_the_product(void) { CHECK(launches_beside() == 0); }
static void a_row_is_copied_first(void) { CHECK(launches_beside() == 1 && pons_ok()); }

static void products_go_to_it_and_without_it(void **state) {
  (void)state;
  passes(a_row_is_added_by_the_product, "A=1");
  passes(a_row_is_copied_first, "DOUBLE_FAULTS=epilogue:1+=15");
  passes(products_by_cublaslt_agree, "A=1");
  passes(products_by_cublaslt_agree, "PONS_CUDA_TF32=1");
  passes(products_by_cublaslt_agree, "PONS_CUDA_AUTOTUNE=1;PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=3");
  passes(products_agree, "DOUBLE_FAULTS=cublasLtMatmulAlgoGetHeuristic:1+=15"); /* it has no algorithm */
  passes(products_agree, "DOUBLE_FAULTS=cuMemAllocFromPoolAsync:4=2");
  if (!dlopen("libcublasLt.so.12", RTLD_LAZY | RTLD_LOCAL)) passes(products_agree, "NO_CUBLASLT=1");
}

/* ---- what a layer does behind its product ---- */

static pons_array relu(pons_array x) { return pons_maximum(x, pons_int(0)); }
static pons_array gelu(pons_array x) { /* as mlx.nn writes it */
  pons_array inner = pons_add(x, pons_multiply(pons_float(0.044715), pons_power(x, pons_int(3))));
  pons_array tanh = pons_tanh(pons_multiply(pons_float(0.7978845608028654), inner));
  return pons_multiply(pons_multiply(pons_float(0.5), x), pons_add(pons_int(1), tanh));
}

enum { LAYERS = 14 };
static pons_array layer(int kind, const pons_array in[5]) {
  const pons_array a = in[0], b = in[1], more = in[2], row = in[3], row_not_aligned = in[4];
  switch (kind) {
    case 0: return relu(pons_matmul(a, b));
    case 1: return gelu(pons_matmul(a, b));
    case 2: return relu(pons_add(pons_matmul(a, b), more));
    case 3: return relu(pons_addmm(row, a, b, 1, 1));
    case 4: return gelu(pons_addmm(row, a, b, 1, 1));
    case 5: return gelu(pons_add(more, pons_addmm(row, a, b, 0.5f, 1)));
    case 6: return relu(pons_addmm(row_not_aligned, a, b, 1, 1));
    case 7: return relu(pons_add(pons_addmm(row_not_aligned, a, b, 1, 1), more));
    case 8: return relu(pons_addmm(more, a, b, 1, 2));
    case 9: return relu(pons_add(pons_addmm(row, a, b, 1, 2), more));
    case 10: return pons_add(pons_matmul(a, b), row);
    case 11: return gelu(pons_add(row, pons_matmul(a, b)));
    case 12: return relu(pons_add(pons_matmul(a, b), row_not_aligned));
    default: return relu(pons_add(pons_matmul(a, b), pons_slice(more, PONS_SHAPE(0, 0, 0), PONS_SHAPE(2, 4, 1), PONS_SCALAR)));
  }
}
/* Kernels launched beside the product: none, but where what is added is copied into the result first. In the tenth that is two things which are
   not one row, in the last a column: behind these one kernel adds and activates. */
static const int launches[LAYERS] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 0, 0, 1, 1};

static pons_array layer_on(const char *device, int kind, pons_dtype d, long *launched) {
  pons_set_default_device(device);
  pons_array columns = pons_multiply(small(PONS_SHAPE(9), d), pons_float(0.25));
  const pons_array in[] = {pons_multiply(small(PONS_SHAPE(2, 4, 5), d), pons_float(0.25)), small(PONS_SHAPE(5, 8), d),
                           small(PONS_SHAPE(2, 4, 8), d),
                           pons_slice(columns, PONS_SHAPE(0), PONS_SHAPE(8), PONS_SCALAR),
                           pons_slice(columns, PONS_SHAPE(1), PONS_SHAPE(9), PONS_SCALAR)};
  CHECK(pons_eval_many(in, 5) && pons_eval(columns));
  const long before = count("cuLaunchKernel");
  pons_array y = layer(kind, in);
  CHECK(pons_eval(y));
  *launched = count("cuLaunchKernel") - before;
  return y;
}

static void layers_agree(const int *expected_launches) {
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16, PONS_FLOAT64};
  static const double near[] = {2e-6, 2e-3, 2e-2, 1e-12};
  for (int d = 0; d < 4; d++) {
    for (int kind = 0; kind < LAYERS; kind++) {
      const pons_scope s = pons_scope_open();
      long launched;
      pons_array expected = layer_on("cpu", kind, dtypes[d], &launched), found = layer_on("cuda", kind, dtypes[d], &launched);
      pons_set_default_device("cpu");
      const bool *same = pons_data(pons_allclose(found, expected, near[d], near[d], false));
      CHECK(same && *same);
      if (expected_launches && d < 3 && launched != expected_launches[kind]) {
        print_error("kind %d, dtype %d: %ld launches\n", kind, (int)dtypes[d], launched);
        _exit(1);
      }
      pons_scope_close(s);
    }
  }
}
static void products_activate(void) { layers_agree(launches); }
static void kernels_activate(void) { layers_agree((const int[LAYERS]){1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 2, 1}); }
/* Those of our kernel, the product included. */
static void own_products_activate(void) { layers_agree((const int[LAYERS]){1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1}); }
static void either_activates(void) { layers_agree(NULL); }

static void nan_is_handed_on(void) {
  pons_set_default_device("cuda");
  pons_array x = pons_full(PONS_SHAPE(2, 2), pons_float(NAN)), y = relu(pons_matmul(x, x));
  const float *found = pons_data(y);
  CHECK(found && found[0] != found[0] && found[3] != found[3]);
}

static void activations_are_done_by_the_product(void **state) {
  (void)state;
  passes(products_activate, "A=1");
  passes(products_activate, "PONS_CUDA_AUTOTUNE=1;PONS_CACHE_DIR=;CUBLASLT_DOUBLE_FASTEST=3");
  passes(nan_is_handed_on, "A=1");
  if (!dlopen("libcublasLt.so.12", RTLD_LAZY | RTLD_LOCAL)) {
    passes(own_products_activate, "NO_CUBLASLT=1");
    passes(nan_is_handed_on, "NO_CUBLASLT=1");
  }
  passes(kernels_activate, "DOUBLE_FAULTS=relu:1+=15,gelu:1+=15"); /* a library without them */
  passes(either_activates, "DOUBLE_FAULTS=gelu:1+=7");
  passes(either_activates, "DOUBLE_FAULTS=cublasLtMatmulAlgoGetHeuristic:1+=15");
  passes(either_activates, "DOUBLE_FAULTS=cuMemAllocFromPoolAsync:10+=2"); /* there is no memory: the CPU computes it */
}

static void a_product_or_an_error(void) {
  pons_set_default_device("cuda");
  for (int i = 0; i < 2; i++) { /* what failed once does not stand in the way of the next */
    const pons_scope s = pons_scope_open();
    pons_array y = product(0, PONS_FLOAT32);
    if (pons_eval(y))
      CHECK(pons_ok());
    else
      CHECK(i == 0 && told("status 13 of cuBLAS"));
    pons_clear_error();
    pons_scope_close(s);
  }
}

static void each_call_to_cublaslt_may_fail(void **state) {
  (void)state;
  passes_whichever_call_fails(a_product_or_an_error);
}

/* ---- devices ---- */

static void two_devices_share_arrays(void) {
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("cuda:0"));
  pons_array x = pons_add(small(PONS_SHAPE(3, 4), PONS_FLOAT32), pons_float(1));
  CHECK(pons_eval(x));
  CHECK(pons_set_default_device("cuda:1"));
  pons_array y = pons_multiply(x, x);
  CHECK(pons_eval(y));
  CHECK(pons_set_default_device("cuda:0"));
  pons_array z = pons_sum(pons_subtract(y, pons_multiply(x, x)));
  const float *zero = pons_data(z);
  CHECK(zero && *zero == 0);
  const float *there = pons_data(y);
  CHECK(there && there[0] == 4); /* (-3 + 1)^2 */
  CHECK(!pons_set_default_device("cuda:2"));
  pons_clear_error();
  pons_scope_close(s);
}

/* Steps with random operands, each at once on its device's stream; the arrays after them. */
enum { ARRAYS = 8, LENGTH = 6, STEPS = 40, ROUNDS = 20 };
static uint64_t seed;
static int below(int n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)(seed >> 33) % n;
}

static pons_array step_of(int op, pons_array a, pons_array b) {
  switch (op) {
    case 0:
      return pons_add(a, b);
    case 1:
      return pons_multiply(a, b);
    case 2: /* on the CPU in its place */
      return pons_sort(a, 0);
    default:
      return pons_where(pons_greater(a, b), a, b);
  }
}

static void play(uint64_t from, const char *const *devices, int n_devices, float *result) {
  const pons_scope s = pons_scope_open();
  pons_array at[ARRAYS];
  seed = from;
  for (int i = 0; i < ARRAYS; i++) {
    float values[LENGTH];
    for (int k = 0; k < LENGTH; k++) values[k] = (float)(below(5) - 2);
    at[i] = pons_array_from(values, PONS_SHAPE(LENGTH), PONS_FLOAT32);
  }
  for (int i = 0; i < STEPS; i++) {
    const int device = below(3), op = below(4), a = below(ARRAYS), b = below(ARRAYS), to = below(ARRAYS);
    CHECK(pons_set_default_device(devices[device % n_devices]));
    pons_array y = step_of(op, at[a], at[b]);
    at[to] = pons_remainder(y, pons_float(5)); /* stays small: sums and products are exact */
    CHECK(pons_async_eval(at[to]));
  }
  for (int i = 0; i < ARRAYS; i++) {
    const float *data = pons_data(at[i]);
    CHECK(data);
    memcpy(result + (ptrdiff_t)i * LENGTH, data, LENGTH * sizeof *data);
  }
  pons_scope_close(s);
}

static void three_devices_give_what_one_gives(void) {
  static const char *const one[] = {"cpu"}, *const three[] = {"cuda:0", "cpu", "cuda:1"};
  const uint64_t first = (uint64_t)strtoull(getenv("PONS_SEED"), NULL, 10);
  for (uint64_t i = 0; i < ROUNDS; i++) {
    float expected[ARRAYS * LENGTH], found[ARRAYS * LENGTH];
    play(first + i, one, 1, expected);
    play(first + i, three, 3, found);
    if (memcmp(expected, found, sizeof found) == 0) continue;
    print_error("PONS_SEED=%llu: not what the CPU gives\n", (unsigned long long)(first + i));
    _exit(1);
  }
}

static void devices_take_turns(void **state) {
  (void)state;
  char settings[160];
  const unsigned long long first = seed_of_run(20261125);
  for (int i = 0; i < 8; i++) {
    snprintf(settings, sizeof settings,
             "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_EARLY=%d;CUDA_DOUBLE_POOLS=%d;CUDA_DOUBLE_PEERS=%d;PONS_SEED=%llu", i & 1, i >> 1 & 1,
             i >> 2, first);
    passes(three_devices_give_what_one_gives, settings);
  }
}

static void devices_are_numbered(void **state) {
  (void)state;
  passes(two_devices_share_arrays, "CUDA_DOUBLE_DEVICES=2");
  passes(two_devices_share_arrays, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0");
}

/* ---- failures ---- */

/* What does not fit there runs on the CPU, and what its results are needed for on the device again. */
static void memory_is_short(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  pons_array large = pons_sin(pons_full(PONS_SHAPE(1000, 1000), pons_float(2)));
  pons_array rows = pons_matmul(pons_full(PONS_SHAPE(2, 1000), pons_float(0.5)),
                                pons_ones(PONS_SHAPE(1000, 1000), PONS_FLOAT32));
  pons_array sums = pons_add(pons_sum(large, .axes = PONS_AXES(0)), rows);
  CHECK(pons_eval(sums) && pons_ok());
  const float *values = pons_data(sums);
  for (int i = 0; i < 2000; i++) CHECK(fabsf(values[i] - (1000 * sinf(2) + 500)) < 0.1f);
  pons_array fine = pons_sin(pons_full(PONS_SHAPE(10), pons_float(0)));
  const float *data = pons_data(fine);
  CHECK(data && data[9] == 0 && pons_ok());
  pons_scope_close(s);
}

static void device_is_lost(void) {
  pons_set_default_device("cpu");
  const pons_scope s = pons_scope_open();
  pons_array x = pons_exp(pons_zeros(PONS_SHAPE(4), PONS_FLOAT32));
  CHECK(pons_eval(x));
  pons_set_default_device("cuda");
  pons_array y = pons_sin(x);
  CHECK(!pons_data(y) && told("CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
  pons_clear_error();
  CHECK(!pons_data(pons_cos(x)) && told("is lost since"));
  pons_clear_error();
  pons_set_default_device("cpu"); /* what is on the host remains */
  const float *data = pons_data(pons_add(x, x));
  CHECK(data && data[0] == 2);
  pons_scope_close(s);
}

static void failures_are_errors_of_arrays(void **state) {
  (void)state;
  passes(memory_is_short, "CUDA_DOUBLE_MEMORY=3000000");
  passes(memory_is_short, "CUDA_DOUBLE_MEMORY=3000000;CUDA_DOUBLE_POOLS=0");
  passes(device_is_lost, "DOUBLE_FAULTS=kernel:1=700");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_go_to_it_and_without_it),
      cmocka_unit_test(activations_are_done_by_the_product),
      cmocka_unit_test(each_call_to_cublaslt_may_fail),
      cmocka_unit_test(devices_are_numbered),
      cmocka_unit_test(devices_take_turns),
      cmocka_unit_test(failures_are_errors_of_arrays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
