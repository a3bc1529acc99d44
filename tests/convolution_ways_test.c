/* convolution_ways_test.c: convolutions on the default device (PONS_DEVICE) against their definition in double: of every form for which a
   GPU has a way of its own. Few channels in a group, one, colours; inputs that are spread out, by each axis's number, with
   positions that meet zeros alone; sums that are long and few; operands whose batch is innermost, as gradients of weights have
   them. PONS_SEED repeats a run. */
#include "ops/ops.h"
#include "random_numbers.h"
#include <math.h>
#include <pons/pons.h>
#include <stdlib.h>
#include <string.h>
#undef fail /* of cmocka */

enum { AXES = 3 };
typedef struct conv_case {
  const char *name;
  pons_dtype dtype;
  int axes;
  int64_t x[AXES + 2], w[AXES + 2];
  int stride[AXES], low[AXES], high[AXES], dilation[AXES], spread[AXES];
  int groups;
  bool flip, turned; /* turned: batch and channels change places in memory */
} conv_case;

static const conv_case cases[] = {
    {"depthwise",
     PONS_FLOAT32,
     2,
     {2, 9, 11, 40},
     {40, 3, 3, 1},
     {1, 2},
     {1, 1},
     {1, 0},
     {1, 1},
     {1, 1},
     40,
     false,
     false},
    {"depthwise, two results each",
     PONS_BFLOAT16,
     1,
     {2, 50, 24},
     {48, 5, 1},
     {1},
     {4},
     {0},
     {2},
     {1},
     24,
     false,
     false},
    {"long depthwise sums",
     PONS_FLOAT32,
     2,
     {1, 40, 41, 64},
     {8, 38, 38, 8},
     {1, 1},
     {0, 1},
     {0, 0},
     {1, 1},
     {1, 1},
     8,
     false,
     false},
    {"few channels",
     PONS_FLOAT32,
     2,
     {2, 13, 12, 64},
     {4, 3, 3, 64},
     {1, 1},
     {1, 1},
     {1, 1},
     {1, 2},
     {1, 1},
     1,
     false,
     false},
    {"few halves, reversed",
     PONS_FLOAT16,
     2,
     {1, 9, 12, 48},
     {18, 3, 2, 24},
     {2, 1},
     {1, 0},
     {1, 1},
     {1, 1},
     {1, 1},
     2,
     true,
     false},
    {"colours, spread",
     PONS_FLOAT32,
     2,
     {2, 15, 14, 16},
     {3, 7, 7, 16},
     {1, 1},
     {3, 3},
     {4, 3},
     {1, 1},
     {2, 2},
     1,
     true,
     false},
    {"spread by 3 and 2",
     PONS_FLOAT32,
     2,
     {2, 12, 13, 32},
     {32, 3, 4, 32},
     {1, 1},
     {2, 0},
     {0, 5},
     {1, 1},
     {3, 2},
     1,
     false,
     false},
    {"spread, one position",
     PONS_FLOAT32,
     2,
     {2, 20, 20, 32},
     {32, 1, 1, 32},
     {1, 1},
     {0, 1},
     {1, 0},
     {1, 1},
     {2, 2},
     1,
     true,
     false},
    {"spread, with steps",
     PONS_FLOAT32,
     1,
     {3, 70, 16},
     {24, 7, 16},
     {4},
     {5},
     {9},
     {3},
     {6},
     1,
     true,
     false},
    {"spread groups",
     PONS_FLOAT32,
     2,
     {2, 14, 14, 16},
     {16, 4, 4, 1},
     {1, 1},
     {2, 2},
     {2, 2},
     {1, 1},
     {2, 2},
     16,
     true,
     false},
    {"volumes, spread",
     PONS_FLOAT32,
     3,
     {1, 5, 6, 7, 8},
     {20, 3, 2, 3, 8},
     {1, 1, 1},
     {2, 1, 0},
     {1, 1, 2},
     {1, 2, 1},
     {2, 1, 2},
     1,
     true,
     false},
    {"gradient of weights",
     PONS_FLOAT32,
     2,
     {24, 30, 31, 4},
     {20, 14, 15, 4},
     {1, 1},
     {1, 1},
     {0, 0},
     {2, 2},
     {1, 1},
     1,
     false,
     true},
    {"gradient of few weights",
     PONS_FLOAT32,
     2,
     {24, 20, 21, 3},
     {4, 19, 20, 3},
     {1, 1},
     {1, 1},
     {1, 1},
     {1, 1},
     {1, 1},
     1,
     false,
     true},
    {"gradient of weights, spread",
     PONS_FLOAT32,
     2,
     {16, 9, 9, 4},
     {20, 16, 17, 4},
     {1, 1},
     {1, 1},
     {1, 1},
     {1, 1},
     {2, 2},
     1,
     false,
     true},
    {"depthwise halves", PONS_BFLOAT16, 2, {2, 9, 11, 24}, {24, 3, 3, 1}, {2, 1}, {1, 1}, {1, 0}, {1, 1}, {1, 1}, 24, true, false},
    {"depthwise halves, 12 of them", PONS_FLOAT16, 1, {2, 40, 12}, {12, 4, 1}, {1}, {3}, {0}, {1}, {1}, 12, false, false},
    {"groups of four halves", PONS_BFLOAT16, 2, {2, 10, 9, 32}, {32, 3, 3, 4}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 8, false, false},
    {"depthwise, long sums", PONS_FLOAT32, 2, {1, 50, 51, 16}, {16, 48, 49, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}, {1, 1}, 16, false, false},
};

static int64_t size_of(int n, const int64_t *shape) {
  int64_t size = 1;
  for (int d = 0; d < n; d++) size *= shape[d];
  return size;
}

/* Row-major, or with the first and the last axis exchanged. *held: as the array holds them, row-major. */
static pons_array operand_of(const conv_case *c, const int64_t *shape, double **held) {
  const int n = c->axes + 2;
  const int64_t size = size_of(n, shape), step = (int64_t)pons_dtype_size(c->dtype);
  char *bytes = malloc((size_t)(size * step));
  *held = malloc((size_t)size * sizeof **held);
  for (int64_t i = 0; i < size; i++) {
    dtype_write(c->dtype, bytes + i * step, (double)below(1 << 20) * 0x1p-19 - 1);
    (*held)[i] = dtype_read(c->dtype, bytes + i * step);
  }
  pons_array a = pons_array_from(bytes, (pons_shape){n, shape}, c->dtype);
  if (c->turned) a = pons_swapaxes(pons_contiguous(pons_swapaxes(a, 0, n - 1)), 0, n - 1);
  free(bytes);
  return a;
}

/* Row-major order: the next index over `n` axes; false after the last. */
static bool next(int n, const int64_t *sizes, int64_t *at) {
  for (int d = n - 1; d >= 0; d--) {
    if (++at[d] < sizes[d]) return true;
    at[d] = 0;
  }
  return false;
}

/* What the result is at a batch, a place and a channel; *size: the sum of the sizes of what is added. */
static double wanted_at(const conv_case *c, const double *x, const double *w, const int64_t *place,
                        double *size) {
  const int n = c->axes;
  const int64_t channels = c->w[n + 1], all = c->x[n + 1], channel = place[n + 1],
                group = channel / (c->w[0] / c->groups);
  int64_t tap[AXES] = {0};
  double sum = 0;
  *size = 0;
  do {
    int64_t from = place[0], of_w = channel;
    bool inside = true;
    for (int d = 0; d < n; d++) {
      const int64_t reached = c->flip ? c->w[d + 1] - 1 - tap[d] : tap[d];
      const int64_t at = place[d + 1] * c->stride[d] + reached * c->dilation[d] - c->low[d];
      inside = inside && at >= 0 && at % c->spread[d] == 0 && at / c->spread[d] < c->x[d + 1];
      from = from * c->x[d + 1] + at / c->spread[d];
      of_w = of_w * c->w[d + 1] + tap[d];
    }
    for (int64_t k = 0; inside && k < channels; k++) {
      const double product = x[from * all + group * channels + k] * w[of_w * channels + k];
      sum += product, *size += fabs(product);
    }
  } while (next(n, c->w + 1, tap));
  return sum;
}

static void check_case(const conv_case *c) {
  const pons_scope scope = pons_scope_open();
  const int n = c->axes;
  const double rounding = c->dtype == PONS_BFLOAT16 ? 8e-3 : c->dtype == PONS_FLOAT16 ? 1e-3 : 3e-6;
  double *x, *w, size;
  const pons_array in = operand_of(c, c->x, &x), weight = operand_of(c, c->w, &w);
  const pons_array y = pons_conv_general(
      in, weight, .stride = {n, c->stride}, .padding = {n, c->low}, .padding_high = {n, c->high},
      .dilation = {n, c->dilation}, .input_dilation = {n, c->spread}, .groups = c->groups, .flip = c->flip);
  const float *got = pons_data(pons_astype(y, PONS_FLOAT32));
  if (!got) print_error("%s: %s\n", c->name, pons_error());
  assert_non_null(got);
  int64_t place[AXES + 2] = {0}, i = 0;
  do {
    const double wanted = wanted_at(c, x, w, place, &size);
    if (fabs((double)got[i] - wanted) > rounding * (size + 1)) {
      print_error("%s: element %lld is %g, not %g\n", c->name, (long long)i, (double)got[i], wanted);
      assert_true(false);
    }
    i++;
  } while (next(n + 2, pons_shape_of(y).at, place));
  assert_true(i == pons_size(y));
  free(x), free(w);
  pons_scope_close(scope);
}

static void all_cases(void **unused) {
  (void)unused;
  /* Where compilers take seconds for each kernel, some stand for all. */
  const char *device = getenv("PONS_DEVICE");
  const bool all = !device || !strstr(device, "opencl");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (all || i % 3 == 2) check_case(&cases[i]);
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_cases)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
