/* quantized_product_test.c: quantized_matmul and gather_qmm on the default device (PONS_DEVICE) against their definition in double: bits,
   groups and rows that each of a device's kernels takes. Codes are random words. PONS_SEED repeats a run. */
#include "attention_samples.h"
#undef fail /* of cmocka */
#include <math.h>
#include <string.h>

typedef struct product_case {
  pons_dtype dtype;
  int bits, group_size;
  pons_quantization mode;
  int64_t rows, n, k, matrices; /* matrices: 0, or those of codes, of which gather_qmm takes some */
  enum attention_layout layout;
} product_case;

typedef struct codes {
  pons_array words, scales, biases;
  uint32_t *word;
  double *scale, *bias;
} codes;

static double from_e4m3(uint32_t code) {
  const int exponent = (int)(code >> 3 & 15), fraction = (int)(code & 7);
  const double size = exponent ? ldexp(8 + fraction, exponent - 10) : ldexp(fraction, -9);
  return (code & 127) == 127 ? NAN : code & 128 ? -size : size;
}

/* Value i of all that there are. */
static double value_of(const product_case *p, const codes *c, int64_t i) {
  static const double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const int64_t bit = i * p->bits, group = i / p->group_size;
  const uint64_t two = c->word[bit / 32] | (uint64_t)c->word[bit / 32 + 1] << 32;
  const uint32_t code = (uint32_t)(two >> bit % 32) & ((1u << p->bits) - 1);
  if (p->mode == PONS_AFFINE) return code * c->scale[group] + c->bias[group];
  return (p->bits == 8 ? from_e4m3(code) : code & 8 ? -e2m1[code & 7] : e2m1[code]) * c->scale[group];
}

static codes random_codes(const product_case *p) {
  const int64_t rows = p->n * (p->matrices ? p->matrices : 1), row = p->k * p->bits / 32, groups = p->k / p->group_size;
  codes c = {.word = calloc((size_t)(rows * row + 1), sizeof(uint32_t))};
  for (int64_t i = 0; i < rows * row; i++) c.word[i] = (uint32_t)below((int64_t)1 << 32) & (p->mode == PONS_MXFP8 ? 0xbfbfbfbf : ~0u); /* no NaN */
  const int64_t of_groups[] = {1, 1, rows, groups};
  const pons_shape of_words = p->matrices ? PONS_SHAPE(p->matrices, p->n, row) : PONS_SHAPE(p->n, row),
                   of_scales = p->matrices ? PONS_SHAPE(p->matrices, p->n, groups) : PONS_SHAPE(p->n, groups);
  c.words = pons_array_from(c.word, of_words, PONS_UINT32);
  if (p->mode == PONS_AFFINE) {
    const sample scales = sample_of(p->dtype, of_groups, 0.1), biases = sample_of(p->dtype, of_groups, 1);
    c.scales = pons_reshape(scales.array, of_scales), c.biases = pons_reshape(biases.array, of_scales);
    c.scale = scales.at, c.bias = biases.at;
    return c;
  }
  unsigned char *bytes = malloc((size_t)(rows * groups));
  c.scale = malloc((size_t)(rows * groups) * sizeof(double));
  for (int64_t i = 0; i < rows * groups; i++) {
    bytes[i] = (unsigned char)(p->mode == PONS_NVFP4 ? below(127) : 122 + below(8));
    c.scale[i] = p->mode == PONS_NVFP4 ? from_e4m3(bytes[i]) : ldexp(1, bytes[i] - 127);
  }
  c.scales = pons_array_from(bytes, of_scales, PONS_UINT8);
  free(bytes);
  return c;
}

/* The result is rounded once, and sums of k in float32; for more rows than most_exact weights may be rounded to the dtype of x. */
static int64_t most_exact = 16;
static void expect_near(const product_case *p, double got, double want, double size, int64_t row, int64_t column) {
  const double unit = p->dtype == PONS_BFLOAT16 ? 0x1p-8 : p->dtype == PONS_FLOAT16 ? 0x1p-11 : 0x1p-23;
  if (fabs(got - want) <= unit * fabs(want) + ((p->rows > most_exact ? unit : 0) + 4e-6) * size) return;
  print_error("row %d, column %d: %.9g, not %.9g: %s, %d bits, groups of %d, mode %d, %d x %d x %d, %d matrices, layout %d\n", (int)row,
              (int)column, got, want, pons_dtype_name(p->dtype), p->bits, p->group_size, (int)p->mode, (int)p->rows, (int)p->n,
              (int)p->k, (int)p->matrices, (int)p->layout);
  assert_true(false);
}

static void check_case(const product_case *p) {
  enum { CHOSEN = 3 };
  const pons_scope scope = pons_scope_open();
  const int64_t products = p->matrices ? CHOSEN : 1, of_x[] = {1, products, p->rows, p->k};
  const codes c = random_codes(p);
  const sample x = sample_of(p->dtype, of_x, 1);
  const int bits = p->mode == PONS_AFFINE ? p->bits : 0, group = p->mode == PONS_AFFINE ? p->group_size : 0;
  uint32_t which[CHOSEN] = {0};
  pons_array y;
  if (p->matrices) {
    for (int i = 0; i < CHOSEN; i++) which[i] = (uint32_t)below(p->matrices);
    y = pons_gather_qmm(pons_squeeze(laid_out(p->layout, x.array), PONS_AXES(0)), c.words, c.scales, c.biases,
                        .rhs_indices = pons_array_from(which, PONS_SHAPE(CHOSEN), PONS_UINT32), .bits = bits, .group_size = group,
                        .mode = p->mode);
  } else {
    y = pons_quantized_matmul(laid_out(p->layout, x.array), c.words, c.scales, c.biases, .bits = bits, .group_size = group,
                              .mode = p->mode);
  }
  const float *data = pons_data(pons_astype(y, PONS_FLOAT32));
  if (!data) print_error("%s\n", pons_error());
  assert_non_null(data);
  for (int64_t i = 0; i < products; i++)
    for (int64_t row = 0; row < p->rows; row += 1 + (p->rows > 8 ? below(p->rows / 4) : 0))
      for (int64_t column = 0; column < p->n; column += 1 + below(3)) {
        double sum = 0, size = 0;
        for (int64_t e = 0; e < p->k; e++) {
          const double term = value_of(p, &c, (which[i] * p->n + column) * p->k + e) * x.at[(i * p->rows + row) * p->k + e];
          sum += term, size += fabs(term);
        }
        expect_near(p, (double)data[(i * p->rows + row) * p->n + column], sum, size, row, column);
      }
  free(c.word), free(c.scale), free(c.bias), free(x.at);
  pons_scope_close(scope);
}

#define F16 PONS_FLOAT16
#define BF16 PONS_BFLOAT16
#define F32 PONS_FLOAT32

/* Chosen for what kernels tell apart: rows that fill tiles and not, columns too, and k that is not of whole chunks of a row. */
static void chosen(void **unused) {
  (void)unused;
  static const product_case cases[] = {
      /* dtype, bits, group size, mode, rows, n, k, matrices, layout */
      {BF16, 4, 64, PONS_AFFINE, 1, 48, 512, 0, ROW_MAJOR},
      {F16, 4, 64, PONS_AFFINE, 5, 40, 576, 0, ROW_MAJOR},
      {BF16, 4, 32, PONS_AFFINE, 8, 16, 96, 0, ROW_MAJOR},
      {F16, 4, 128, PONS_AFFINE, 2, 33, 2304, 0, ROW_MAJOR},
      {BF16, 8, 64, PONS_AFFINE, 3, 30, 320, 0, ROW_MAJOR},
      {F16, 8, 32, PONS_AFFINE, 1, 17, 2080, 0, ROW_MAJOR},
      {BF16, 2, 64, PONS_AFFINE, 4, 20, 640, 0, ROW_MAJOR},
      {F16, 2, 32, PONS_AFFINE, 7, 20, 192, 0, ROW_MAJOR},
      {F16, 3, 64, PONS_AFFINE, 1, 20, 384, 0, ROW_MAJOR},
      {BF16, 3, 32, PONS_AFFINE, 9, 20, 256, 0, ROW_MAJOR},
      {F16, 5, 32, PONS_AFFINE, 2, 20, 256, 0, ROW_MAJOR},
      {BF16, 5, 128, PONS_AFFINE, 1, 20, 256, 0, ROW_MAJOR},
      {BF16, 6, 64, PONS_AFFINE, 1, 20, 448, 0, ROW_MAJOR},
      {F16, 6, 32, PONS_AFFINE, 4, 20, 192, 0, ROW_MAJOR},
      {BF16, 4, 32, PONS_MXFP4, 1, 40, 320, 0, ROW_MAJOR},
      {F16, 4, 32, PONS_MXFP4, 11, 40, 96, 0, ROW_MAJOR},
      {BF16, 4, 16, PONS_NVFP4, 1, 40, 288, 0, ROW_MAJOR},
      {F16, 4, 16, PONS_NVFP4, 20, 40, 512, 0, ROW_MAJOR},
      {F16, 8, 32, PONS_MXFP8, 3, 40, 160, 0, ROW_MAJOR},
      {BF16, 8, 32, PONS_MXFP8, 9, 40, 384, 0, ROW_MAJOR},
      {BF16, 4, 64, PONS_AFFINE, 13, 70, 448, 0, ROW_MAJOR},
      {F16, 4, 64, PONS_AFFINE, 27, 70, 256, 0, HEADS_BEHIND},
      {BF16, 4, 64, PONS_AFFINE, 61, 130, 192, 0, ROW_MAJOR},
      {F16, 4, 32, PONS_AFFINE, 100, 70, 160, 0, ROW_MAJOR},
      {F16, 4, 32, PONS_AFFINE, 130, 70, 160, 0, ROW_MAJOR},
      {BF16, 8, 128, PONS_AFFINE, 40, 70, 256, 0, ROW_MAJOR},
      {F16, 4, 64, PONS_AFFINE, 5, 20, 128, 0, SLICED},
      {BF16, 4, 64, PONS_AFFINE, 300, 20, 128, 0, ROW_MAJOR},
      {BF16, 4, 64, PONS_AFFINE, 1, 40, 256, 5, ROW_MAJOR},
      {F16, 8, 32, PONS_AFFINE, 6, 20, 160, 4, ROW_MAJOR},
      {BF16, 4, 32, PONS_MXFP4, 20, 20, 128, 3, HEADS_BEHIND},
      {F32, 4, 64, PONS_AFFINE, 1, 48, 512, 0, ROW_MAJOR},
      {F32, 3, 32, PONS_AFFINE, 5, 20, 256, 0, ROW_MAJOR},
      {F32, 8, 64, PONS_AFFINE, 40, 20, 320, 0, SLICED},
  };
  /* CUDA alone has kernels of their own for halves; elsewhere they are another way to load, and compilers may take seconds for each. */
  const char *device = getenv("PONS_DEVICE");
  const bool all = !device || strstr(device, "cuda");
  if (device && strstr(device, "cuda")) most_exact = 128;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (all || cases[i].dtype == F32 || i % 12 == 1) check_case(&cases[i]);
}

/* A code, or a scale, that is NaN is that of its row of codes. */
static void codes_that_are_not_numbers(void **unused) {
  (void)unused;
  enum { ROWS = 3, N = 20, K = 64, WRONG = 9 };
  for (int mode = PONS_MXFP4; mode <= PONS_NVFP4; mode++) {
    const pons_scope scope = pons_scope_open();
    const int group = mode == PONS_NVFP4 ? 16 : 32, words = mode == PONS_MXFP8 ? K / 4 : K / 8, groups = K / group;
    uint32_t code[N * K / 4] = {0};
    unsigned char scale[N * K / 16];
    memset(scale, mode == PONS_NVFP4 ? 56 : 127, sizeof scale);
    if (mode == PONS_MXFP8) code[WRONG * words + 7] = 0x7f00;
    else scale[WRONG * groups + 1] = mode == PONS_NVFP4 ? 127 : 255;
    pons_array y = pons_quantized_matmul(pons_ones(PONS_SHAPE(ROWS, K), BF16), pons_array_from(code, PONS_SHAPE(N, words), PONS_UINT32),
                                         pons_array_from(scale, PONS_SHAPE(N, groups), PONS_UINT8), NULL, .mode = (pons_quantization)mode);
    const float *data = pons_data(pons_astype(y, F32));
    assert_non_null(data);
    for (int i = 0; i < ROWS * N; i++) assert_true(i % N == WRONG ? isnan(data[i]) : data[i] == 0);
    pons_scope_close(scope);
  }
}

/* Infinities and NaN in a row of x are that row's alone. */
static void what_is_not_finite(void **unused) {
  (void)unused;
  enum { ROWS = 3, N = 16, K = 128 };
  const pons_scope scope = pons_scope_open();
  const product_case p = {BF16, 4, 64, PONS_AFFINE, ROWS, N, K, 0, ROW_MAJOR};
  const codes c = random_codes(&p);
  float x[ROWS * K] = {0};
  for (int i = 0; i < K; i++) x[i] = x[2 * K + i] = 1;
  x[K + 5] = NAN;
  pons_array y = pons_quantized_matmul(pons_astype(pons_array_from(x, PONS_SHAPE(ROWS, K), F32), BF16), c.words, c.scales, c.biases,
                                       .bits = 4, .group_size = 64);
  const float *data = pons_data(pons_astype(y, F32));
  assert_non_null(data);
  for (int i = 0; i < N; i++) {
    assert_true(isfinite(data[i]) && isnan(data[N + i]));
    assert_true(data[i] == data[2 * N + i]);
  }
  free(c.word), free(c.scale), free(c.bias);
  pons_scope_close(scope);
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {cmocka_unit_test(chosen), cmocka_unit_test(codes_that_are_not_numbers), cmocka_unit_test(what_is_not_finite)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
