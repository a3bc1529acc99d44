/* quantized_matmul_cpu_test.c: "QuantizedMatmul" with codes that are numbers, against its definition in double. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/operands_for_tests.h"
#include "backends/cpu/quantized.h"

/* Code i of a row: `bits` bits of the stream that its words are. */
static double code_at(const uint32_t *row, int bits, int64_t i) {
  uint32_t code = 0;
  for (int b = 0; b < bits; b++) {
    const int64_t at = i * bits + b;
    code |= (row[at / 32] >> at % 32 & 1) << b;
  }
  return code;
}

/* Values to a 64th: codes go up to 255, and sums of products with them must stay within float16. */
static void make_small(made *m) {
  for (int64_t i = 0; i < operand_size(&m->op); i++)
    dtype_write(m->op.dtype, made_element(m, i), made_value(m, i) / 64);
}

/* x (m, k) by codes (n, k), transposed, or (k, n). */
static void check_case(pons_dtype d, int64_t m, int64_t n, int64_t k, int bits, int group, bool transpose) {
  const int64_t rows = transpose ? n : k, columns = transpose ? k : n;
  made x, words, scales, biases, y;
  make(&x, d, 2, (const int64_t[]){m, k}, random_int(0, 1));
  make(&words, PONS_UINT32, 2, (const int64_t[]){rows, columns * bits / 32}, false);
  make(&scales, d, 2, (const int64_t[]){rows, columns / group}, false);
  make(&biases, d, 2, (const int64_t[]){rows, columns / group}, false);
  make_small(&scales);
  make_small(&biases);
  make_out(&y, d, 2, (const int64_t[]){m, n});
  uint32_t *codes = (uint32_t *)(void *)words.memory;
  for (int64_t i = 0; i < rows * columns * bits / 32; i++) codes[i] = (uint32_t)random_bits();
  const operand in[] = {x.op, words.op, scales.op, biases.op};
  const quantized_matmul_params p = {.group_size = group, .bits = bits, .mode = QUANTIZED_AFFINE, .transpose = transpose};
  run_well(cpu_quantized_matmul, &(launch){&p, 4, 1, in, &y.op});
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (int64_t q = 0; q < k; q++) {
        const int64_t row = transpose ? j : q, column = transpose ? q : j, at = (row * columns + column) / group;
        const double w = code_at(codes + row * columns * bits / 32, bits, column) * made_value(&scales, at) +
                         made_value(&biases, at);
        sum += made_value(&x, i * k + q) * w;
        size += fabs(made_value(&x, i * k + q)) * (fabs(w) + 5);
      }
      check_near(made_value(&y, i * n + j), sum, precision_of(d) * (1 + size / (d == PONS_FLOAT32 ? 1 : 5)),
                 pons_dtype_name(d));
    }
  made *all[] = {&x, &words, &scales, &biases, &y};
  for (int i = 0; i < 5; i++) unmake(all[i]);
}

/* One to four and more rows; rows of codes that are whole registers of words, and rows that are not. */
static void agrees_with_the_definition(void **state) {
  (void)state;
  const int bits[] = {1, 2, 3, 4, 5, 6, 8};
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16};
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 84; turn++) {
      const int group = 32 << random_int(0, 2);
      const int64_t many = group * random_int(1, turn % 3 ? 9 : 4), few = random_int(1, 40);
      const bool transpose = random_int(0, 3) > 0;
      check_case(dtypes[turn % 3], random_int(0, 2) ? random_int(1, 6) : random_int(7, 30), transpose ? few : many,
                 transpose ? many : few, bits[turn % 7], group, transpose);
    }
  }
  assert_true(cpu_set_isa(before));
}

static void large_ones(void **state) {
  (void)state;
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    check_case(PONS_FLOAT32, 1, 300, 2048, 4, 64, true);
    check_case(PONS_FLOAT32, 1, 90, 1024, 4, 32, true);
    check_case(PONS_BFLOAT16, 1, 90, 1024, 4, 128, true);
    check_case(PONS_BFLOAT16, 5, 70, 1536, 8, 128, true);
    check_case(PONS_FLOAT32, 3, 20, 8256, 4, 64, true); /* x more than L1 keeps, and no whole registers of codes */
    check_case(PONS_FLOAT32, 7, 20, 4544, 4, 32, true);
    check_case(PONS_FLOAT32, 1, 20, 9088, 4, 128, true);
  }
  assert_true(cpu_set_isa(before));
}

/* Codes and scales of every kind are the same floats on all instruction sets, NaN too. */
static void values_are_those_of_the_least_set(void **state) {
  enum { GROUPS = 3, MOST = GROUPS * GROUP_MOST };
  (void)state;
  const char *before = cpu_isa();
  for (int kind = 0; kind < CODE_KINDS; kind++)
    for (int size = GROUP_LEAST; size <= GROUP_MOST; size *= 2) {
      uint32_t words[MOST / 4];
      float scales[GROUPS], biases[GROUPS], first[MOST], values[MOST + 1];
      if (size < 32 && kind != CODES_E2M1) continue;
      for (int i = 0; i < MOST / 4; i++) words[i] = (uint32_t)random_bits();
      for (int i = 0; i < GROUPS; i++) scales[i] = (float)random_int(-99, 99) / 7, biases[i] = (float)random_int(-99, 99) / 11;
      const quantized_groups q = {words, GROUPS, size, scales, random_int(0, 1) ? biases : NULL};
      for (const char *const *isa = cpu_isas(); *isa; isa++) {
        assert_true(cpu_set_isa(*isa));
        values[GROUPS * size] = 77;
        cpu_quantized_loops()->values[kind](&q, values);
        assert_true(values[GROUPS * size] == 77);
        if (isa == cpu_isas()) memcpy(first, values, sizeof first);
        for (int i = 0; i < GROUPS * size; i++)
          if (memcmp(&first[i], &values[i], sizeof *values) && !(isnan(first[i]) && isnan(values[i])))
            fail_msg("kind %d on %s: value %d is %.9g, not %.9g", kind, *isa, i, (double)values[i], (double)first[i]);
      }
    }
  assert_true(cpu_set_isa(before));
}

/* Rows by codes that are small floats, with scales of a byte each, on all sets: beside the values that the least one makes. */
static void check_floats(quantization q, int64_t m, int64_t n, int64_t k) {
  const int64_t groups = k / q.group_size, words_of_row = k * q.bits / 32;
  made x, y, words, scales;
  make(&x, PONS_FLOAT32, 2, (const int64_t[]){m, k}, false);
  make(&words, PONS_UINT32, 2, (const int64_t[]){n, words_of_row}, false);
  make(&scales, PONS_UINT8, 2, (const int64_t[]){n, groups}, false);
  make_out(&y, PONS_FLOAT32, 2, (const int64_t[]){m, n});
  uint32_t *codes = (uint32_t *)(void *)words.memory;
  uint8_t *bytes = (uint8_t *)(void *)scales.memory;
  for (int64_t i = 0; i < n * words_of_row; i++) codes[i] = (uint32_t)random_bits() & (q.bits == 8 ? 0xbfbfbfbfu : UINT32_MAX); /* no NaN */
  for (int64_t i = 0; i < n * groups; i++) bytes[i] = (uint8_t)(q.mode == QUANTIZED_NVFP4 ? random_int(1, 126) : random_int(120, 134));
  const operand in[] = {x.op, words.op, scales.op};
  const quantized_matmul_params p = {.group_size = q.group_size, .bits = q.bits, .mode = q.mode, .transpose = true};
  run_well(cpu_quantized_matmul, &(launch){&p, 3, 1, in, &y.op});
  for (int64_t j = 0; j < n; j++) {
    float values[1024], by[1024 / GROUP_LEAST];
    cpu_scales(q, PONS_UINT8, bytes, j * groups, groups, by);
    cpu_quantized_loops()->values[codes_of(q)](&(quantized_groups){codes + j * words_of_row, groups, q.group_size, by, NULL}, values);
    for (int64_t i = 0; i < m; i++) {
      double sum = 0, size = 0;
      for (int64_t c = 0; c < k; c++) {
        const double product = made_value(&x, i * k + c) * (double)values[c];
        sum += product, size += fabs(product);
      }
      check_near(made_value(&y, i * n + j), sum, precision_of(PONS_FLOAT32) * size, "small floats");
    }
  }
  made *all[] = {&x, &words, &scales, &y};
  for (int i = 0; i < 4; i++) unmake(all[i]);
}
static void small_floats_agree(void **state) {
  (void)state;
  const char *before = cpu_isa();
  const quantization q[] = {{.group_size = 32, .bits = 4, .mode = QUANTIZED_MXFP4},
                            {.group_size = 32, .bits = 8, .mode = QUANTIZED_MXFP8},
                            {.group_size = 16, .bits = 4, .mode = QUANTIZED_NVFP4}};
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 30; turn++)
      check_floats(q[turn % 3], random_int(1, turn % 5 ? 6 : 20), random_int(1, 30), 32 * random_int(1, 32));
  }
  assert_true(cpu_set_isa(before));
}

/* Of the sum of a group's products: an element may be rounded to a 2^22nd of the greatest. */
static double variance_of_group(const uint32_t *codes, const float *x, int from, int count) {
  double greatest = 0, sum = 0;
  for (int i = from; i < from + count; i++)
    if (fabs((double)x[i]) > greatest) greatest = fabs((double)x[i]);
  for (int i = from; i < from + count; i++) sum += pow(code_at(codes, 4, i) * greatest * 0x1p-23, 2);
  return sum;
}

/* One row by codes of 4 bits, scales and biases of 1: what the sum of whole, of tiny, of huge and of mixed numbers is off by.
   Roundings add up as random steps do. */
static void one_row_is_as_exact_as_floats_are(void **state) {
  enum { K = 256, GROUP = 64 };
  (void)state;
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 200; turn++) {
      float x[K], scales[K / GROUP], biases[K / GROUP], room[2], *const y = room; /* what is behind it stays */
      uint32_t codes[K / 8];
      double sum = 0, size = 0, steps = 0;
      memset(room, 0xa5, sizeof room);
      for (int i = 0; i < K / GROUP; i++) scales[i] = biases[i] = 1;
      for (int i = 0; i < K / 8; i++) codes[i] = (uint32_t)random_bits();
      for (int i = 0; i < K; i++) {
        const double unit = (double)(int32_t)random_bits() / 2147483648.0;
        x[i] = (float)(turn % 4 == 0   ? (double)random_int(-3, 3)
                       : turn % 4 == 1 ? unit * 1e-20
                       : turn % 4 == 2 ? unit * 1e30
                                       : unit * (i % 64 == 5 ? 1000 : 1));
        sum += (double)x[i] * (code_at(codes, 4, i) + 1);
        size += fabs((double)x[i]) * (code_at(codes, 4, i) + 1);
      }
      for (int i = 0; i < K; i += GROUP) steps += variance_of_group(codes, x, i, GROUP);
      const int64_t one_row[] = {1, K}, words_shape[] = {1, K / 8}, groups[] = {1, K / GROUP}, result[] = {1, 1};
      const int64_t xs[] = {K, 1}, ws[] = {K / 8, 1}, gs[] = {K / GROUP, 1}, rs[] = {1, 1};
      const operand in[] = {{x, PONS_FLOAT32, 2, one_row, xs},
                            {codes, PONS_UINT32, 2, words_shape, ws},
                            {scales, PONS_FLOAT32, 2, groups, gs},
                            {biases, PONS_FLOAT32, 2, groups, gs}};
      const operand out = {y, PONS_FLOAT32, 2, result, rs};
      const quantized_matmul_params p = {.group_size = GROUP, .bits = 4, .mode = QUANTIZED_AFFINE, .transpose = true};
      run_well(cpu_quantized_matmul, &(launch){&p, 4, 1, in, &out});
      if (turn % 4 == 0 && (double)*y != sum) fail_msg("whole numbers: %.9g is not %.9g", (double)*y, sum);
      if (fabs((double)*y - sum) > 1e-6 * size + 4 * sqrt(steps)) fail_msg("%.9g is not %.9g", (double)*y, sum);
      x[3] = turn % 2 ? INFINITY : NAN;
      codes[0] |= 0x1000;
      run_well(cpu_quantized_matmul, &(launch){&p, 4, 1, in, &out});
      assert_true(turn % 2 ? *y == INFINITY : isnan(*y));
    }
  }
  assert_true(cpu_set_isa(before));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_definition), cmocka_unit_test(large_ones),
                                     cmocka_unit_test(values_are_those_of_the_least_set), cmocka_unit_test(small_floats_agree),
                                     cmocka_unit_test(one_row_is_as_exact_as_floats_are)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
