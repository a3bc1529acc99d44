/* matmul_cpu_test.c: "Matmul" and "AddMM" against loops in double, with every instruction set that is here. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/operands_for_tests.h"
#include <complex.h>

static double complex complex_value(const made *m, int64_t linear) {
  const pons_dtype d = m->op.dtype, part = dtype_of_parts(d);
  const double re = made_value(m, linear);
  return part == d ? re : re + dtype_read(part, made_element(m, linear) + pons_dtype_size(part)) * I;
}

/* shape: batch..., m, k, n */
static void check_case(pons_dtype d, int n_batch, const int64_t *batch, int64_t m, int64_t k, int64_t n,
                       bool add) {
  made in[3], y;
  int rank = n_batch + 2;
  int64_t a[8], b[8], c[8], batches = 1;
  for (int i = 0; i < n_batch; i++) a[i] = b[i] = c[i] = batch[i], batches *= batch[i];
  a[rank - 2] = m, a[rank - 1] = k, b[rank - 2] = k, b[rank - 1] = n, c[rank - 2] = m, c[rank - 1] = n;
  make(&in[0], d, rank, a, random_int(0, 1));
  make(&in[1], d, rank, b, random_int(0, 1));
  make(&in[2], d, rank, c, random_int(0, 1));
  make_out(&y, d, rank, c);
  addmm_params params = {0.5f, random_int(0, 1) ? 2.0f : 0.0f};
  operand operands[] = {in[0].op, in[1].op, in[2].op};
  launch l = {&params, add ? 3 : 2, 1, operands, &y.op};
  run_well(add ? cpu_addmm : cpu_matmul, &l);
  for (int64_t g = 0; g < batches; g++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double complex sum = 0;
        double size = 0;
        for (int64_t p = 0; p < k; p++) {
          double complex term =
              complex_value(&in[0], (g * m + i) * k + p) * complex_value(&in[1], (g * k + p) * n + j);
          sum += term;
          size += cabs(term);
        }
        int64_t at = (g * m + i) * n + j;
        if (add) sum = (double)params.alpha * sum + (double)params.beta * complex_value(&in[2], at);
        double complex got = complex_value(&y, at);
        double tolerance = precision_of(d) * (1 + size);
        check_near(creal(got), creal(sum), tolerance, pons_dtype_name(d));
        check_near(cimag(got), cimag(sum), tolerance, pons_dtype_name(d));
      }
  for (int i = 0; i < 3; i++) unmake(&in[i]);
  unmake(&y);
}

static void agrees_with_loops(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16, PONS_BFLOAT16, PONS_COMPLEX64, PONS_COMPLEX128};
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 300; turn++) {
      int64_t batch[] = {random_int(0, 6) ? random_int(1, 4) : 0, random_int(1, 3)};
      int64_t sizes[3];
      for (int i = 0; i < 3; i++)
        sizes[i] = random_int(0, 3) ? random_int(1, 20) : random_int(0, 1) ? 1 : random_int(0, 70);
      check_case(dtypes[random_int(0, 5)], (int)random_int(0, 2), batch, sizes[0], sizes[1], sizes[2], turn % 2);
    }
  }
  assert_true(cpu_set_isa(before));
}

/* Rows are read where they lie, woven or packed, with tiles that are not whole at the end. */
static void large_ones_in_blocks(void **state) {
  (void)state;
  const int64_t few[] = {3}, many[] = {33};
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    for (int turn = 0; turn < 2; turn++) {
      check_case(PONS_FLOAT32, 0, NULL, random_int(95, 110), random_int(90, 110), 530, false);
      check_case(PONS_FLOAT32, 0, NULL, random_int(95, 110), 500, random_int(120, 150), true);
      check_case(PONS_FLOAT16, 1, few, random_int(90, 130), 90, 70, true);
      check_case(PONS_BFLOAT16, 0, NULL, random_int(95, 110), 400, 150, false);
    }
    check_case(PONS_FLOAT32, 0, NULL, 70, 1024, 70, false);
    /* strips pass by rows that are held, the last of them not whole */
    check_case(PONS_FLOAT32, 0, NULL, random_int(97, 105), random_int(1024, 1040), random_int(257, 270), random_int(0, 1));
    check_case(PONS_FLOAT32, 1, many, 25, 40, 130, true); /* each fetches what the next one reads */
    check_case(PONS_FLOAT64, 1, few, 130, 90, 70, true);
    check_case(PONS_COMPLEX64, 0, NULL, 60, 300, 50, true);
    check_case(PONS_COMPLEX128, 0, NULL, 60, 300, 50, true);
  }
  assert_true(cpu_set_isa(before));
  check_case(PONS_FLOAT32, 0, NULL, 300, 500, 330, true);
}

static void check_bits(int64_t m, int64_t k, int64_t n, int threads) {
  const int before = parallel_threads();
  const int64_t a_shape[] = {m, k}, b_shape[] = {k, n}, y_shape[] = {m, n};
  made a, b, y, again;
  make(&a, PONS_FLOAT32, 2, a_shape, false);
  make(&b, PONS_FLOAT32, 2, b_shape, true);
  make_out(&y, PONS_FLOAT32, 2, y_shape);
  make_out(&again, PONS_FLOAT32, 2, y_shape);
  operand in[] = {a.op, b.op};
  parallel_set_threads(1);
  run_well(cpu_matmul, &(launch){NULL, 2, 1, in, &y.op});
  parallel_set_threads(threads);
  run_well(cpu_matmul, &(launch){NULL, 2, 1, in, &again.op});
  parallel_set_threads(before);
  assert_memory_equal(y.op.data, again.op.data, (size_t)(m * n) * sizeof(float));
  unmake(&a), unmake(&b), unmake(&y), unmake(&again);
}

static void the_same_bits_for_any_number_of_threads(void **state) {
  (void)state;
  check_bits(150, 800, 260, 4);
  check_bits(150, 800, 256, 2); /* each thread has columns of its own */
  check_bits(150, 1100, 512, 4); /* and holds all rows */
  check_bits(100, 300, 512, 4);
}

/* Sums longer than the stretch that is packed at once, in float32 (added to the result) and bfloat16 (not). */
static void long_sums(void **state) {
  (void)state;
  check_case(PONS_FLOAT32, 0, NULL, 19, 5000, 35, true);
  check_case(PONS_BFLOAT16, 0, NULL, 20, 4500, 33, false);
}

/* What reads a large matrix once: few rows or columns, with sums cut into parts and not. */
static void few_rows_and_columns(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16, PONS_BFLOAT16};
  for (int turn = 0; turn < 40; turn++) {
    const int64_t few = random_int(1, 17), k = random_int(1, 900), many = random_int(1, 1500);
    const bool rows = random_int(0, 1);
    check_case(dtypes[turn % 4], 0, NULL, rows ? few : many, k, rows ? many : few, random_int(0, 1));
  }
  check_case(PONS_FLOAT32, 0, NULL, 1, 200000, 1, false);
}

/* A weight shared by the batch: (3, 4, 5, 6) x (6, 7) broadcast. */
static void one_matrix_for_the_batch(void **state) {
  (void)state;
  made a, y;
  int64_t a_shape[] = {3, 4, 5, 6}, b_shape[] = {3, 4, 6, 7}, y_shape[] = {3, 4, 5, 7},
          strides[] = {0, 0, 7, 1};
  float weight[42];
  for (int i = 0; i < 42; i++) weight[i] = (float)random_value(PONS_FLOAT32);
  make(&a, PONS_FLOAT32, 4, a_shape, false);
  make_out(&y, PONS_FLOAT32, 4, y_shape);
  operand operands[] = {a.op, {weight, PONS_FLOAT32, 4, b_shape, strides}};
  run_well(cpu_matmul, &(launch){NULL, 2, 1, operands, &y.op});
  for (int64_t i = 0; i < 60; i++)
    for (int64_t j = 0; j < 7; j++) {
      double sum = 0;
      for (int64_t p = 0; p < 6; p++) sum += made_value(&a, i * 6 + p) * (double)weight[p * 7 + j];
      check_near(made_value(&y, i * 7 + j), sum, 1e-5, "shared matrix");
    }
  unmake(&a);
  unmake(&y);
}

/* (300, 0) x (0, 600), in several blocks: arrays without elements may have no memory, and nothing counts from it. */
static void nothing_to_sum_over(void **state) {
  (void)state;
  made y;
  int64_t a_shape[] = {300, 0}, b_shape[] = {0, 600}, y_shape[] = {300, 600}, strides[] = {1, 1};
  operand in[] = {{NULL, PONS_FLOAT32, 2, a_shape, strides}, {NULL, PONS_FLOAT32, 2, b_shape, strides}};
  make_out(&y, PONS_FLOAT32, 2, y_shape);
  run_well(cpu_matmul, &(launch){NULL, 2, 1, in, &y.op});
  for (int64_t k = 0; k < 300 * 600; k++) assert_true(made_value(&y, k) == 0);
  unmake(&y);
}

static void integers(void **state) {
  (void)state;
  check_case(PONS_INT32, 0, NULL, 5, 6, 7, false);
  check_case(PONS_UINT8, 0, NULL, 2, 3, 2, false);
  check_case(PONS_INT64, 0, NULL, 20, 30, 40, false);
}

static void check_failures(pons_dtype d, int64_t m, int64_t k, int64_t n) {
  const int64_t a_shape[] = {m, k}, b_shape[] = {k, n}, y_shape[] = {m, n};
  made a, b, y;
  make(&a, d, 2, a_shape, false);
  make(&b, d, 2, b_shape, false);
  make_out(&y, d, 2, y_shape);
  operand in[] = {a.op, b.op};
  launch l = {NULL, 2, 1, in, &y.op};
  assert_null(cpu_matmul(&l));
  int failures = 0;
  for (int64_t i = 1;; i++) {
    mem_fail_at(i);
    error *why = cpu_matmul(&l);
    int64_t made_since = mem_fail_at(0);
    failures += why != NULL;
    error_release(why);
    if (made_since < i) break;
  }
  assert_true(failures >= 2);
  unmake(&a), unmake(&b), unmake(&y);
}

/* Panels need memory, blocks of halves and rows that are held. */
static void no_memory_is_an_error(void **state) {
  (void)state;
  check_failures(PONS_FLOAT16, 40, 40, 40);
  check_failures(PONS_FLOAT32, 40, 1100, 256);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_loops),        cmocka_unit_test(large_ones_in_blocks),
      cmocka_unit_test(long_sums),                cmocka_unit_test(few_rows_and_columns),
      cmocka_unit_test(one_matrix_for_the_batch), cmocka_unit_test(integers),
      cmocka_unit_test(nothing_to_sum_over),      cmocka_unit_test(no_memory_is_an_error),
      cmocka_unit_test(the_same_bits_for_any_number_of_threads),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
