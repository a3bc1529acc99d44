/* softmax_cpu_test.c: "Softmax" and "LogSumExp" against loops in double. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/operands_for_tests.h"

static void check_case(pons_dtype d, int n, const int64_t *shape, bool any_layout, double scale) {
  made x, y, z;
  int64_t ones[PONS_MAX_NDIM], length = shape[n - 1];
  memcpy(ones, shape, sizeof(int64_t) * (size_t)n);
  ones[n - 1] = 1;
  make(&x, d, n, shape, any_layout);
  for (int64_t i = 0; i < operand_size(&x.op) && scale != 1; i++)
    dtype_write(d, made_element(&x, i), scale * made_value(&x, i));
  make_out(&y, d, n, shape);
  make_out(&z, d, n, ones);
  run_well(cpu_softmax, &(launch){&(softmax_params){true}, 1, 1, &x.op, &y.op});
  run_well(cpu_log_sum_exp, &(launch){NULL, 1, 1, &x.op, &z.op});
  double tolerance = d == PONS_FLOAT64 ? 1e-12 : 3 * precision_of(d);
  for (int64_t r = 0; r < operand_size(&z.op); r++) {
    double greatest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < length; i++) greatest = fmax(greatest, made_value(&x, r * length + i));
    for (int64_t i = 0; i < length; i++) sum += exp(made_value(&x, r * length + i) - greatest);
    check_near(made_value(&z, r), length ? log(sum) + greatest : -INFINITY, tolerance, "logsumexp");
    for (int64_t i = 0; i < length; i++)
      check_near(made_value(&y, r * length + i), exp(made_value(&x, r * length + i) - greatest) / sum,
                 tolerance, "softmax");
  }
  unmake(&x);
  unmake(&y);
  unmake(&z);
}

static void agrees_with_loops(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16, PONS_BFLOAT16};
  for (int turn = 0; turn < 120; turn++) {
    int64_t shape[3];
    int n = (int)random_int(1, 3);
    for (int i = 0; i < n; i++) shape[i] = random_int(0, 15) ? random_int(1, 40) : 0;
    bool any_layout = turn / 4 % 2; /* memory may be shared: to be scaled once */
    check_case(dtypes[turn % 4], n, shape, any_layout, any_layout || turn % 3 ? 1 : 40);
  }
  check_case(PONS_FLOAT32, 2, (int64_t[]){3, 5000}, false, 1);
  check_case(PONS_FLOAT16, 2, (int64_t[]){3, 3000}, false, 1);
  check_case(PONS_BFLOAT16, 2, (int64_t[]){2, 9001}, false, 1); /* longer than what is kept of a row */
  check_case(PONS_FLOAT32, 2, (int64_t[]){2, 8193}, true, 1);
  check_case(PONS_FLOAT64, 2, (int64_t[]){2, 2049}, true, 1);
}

/* ---- halves are rounded once ---- */

static const struct {
  const char *name;
  double low, high; /* of the elements */
  double odd;       /* what some of them are, if it is not 0 */
  bool all;         /* of them are */
} sorts[] = {{"around 0", -4, 4, 0, false},       {"below 0", -90, -2, 0, false},
             {"far apart", -60, 60, 0, false},    {"above 0", 100, 300, 0, false},
             {"large", -3000, 3000, 0, false},    {"masked", -3, 3, -HUGE_VAL, false},
             {"all masked", 0, 0, -HUGE_VAL, true}, {"infinity", -3, 3, HUGE_VAL, false},
             {"NaN", -3, 3, NAN, false},          {"NaN below 0", -3, 3, -NAN, false},
             {"the largest", -0x1p127, 0x1p127, 0, false}};

static void check_rounded_once(pons_dtype d, int64_t n, size_t sort) {
  made x, y;
  make(&x, d, 1, &n, false), make_out(&y, d, 1, &n);
  const double range = sorts[sort].high - sorts[sort].low;
  for (int64_t i = 0; i < n; i++)
    dtype_write(d, made_element(&x, i), sorts[sort].low + range * (double)random_int(0, 1 << 20) / (1 << 20));
  for (int64_t i = 0; i < n && sorts[sort].odd != 0; i++)
    if (sorts[sort].all || i == n / 3 || random_int(0, 9) == 0) dtype_write(d, made_element(&x, i), sorts[sort].odd);
  run_well(cpu_softmax, &(launch){&(softmax_params){false}, 1, 1, &x.op, &y.op});
  double greatest = -HUGE_VAL, sum = 0;
  for (int64_t i = 0; i < n; i++) greatest = fmax(greatest, made_value(&x, i));
  for (int64_t i = 0; i < n; i++) sum += exp(made_value(&x, i) - greatest);
  for (int64_t i = 0; i < n; i++) {
    const double got = made_value(&y, i), wanted = exp(made_value(&x, i) - greatest) / sum;
    const bool none = wanted < 0x1p-125 && fabs(got - wanted) <= 0x1p-125 && (wanted > 0 || got == 0); /* too small for a float */
    if (isnan(wanted) ? !isnan(got) : !none && !(units_apart(d, got, wanted) <= 0.54))
      fail_msg("%s, %s: element %d of %d is %.9g, should be %.9g", pons_dtype_name(d), sorts[sort].name, (int)i, (int)n, got, wanted);
  }
  unmake(&x), unmake(&y);
}
static void halves_are_rounded_once(void **state) {
  (void)state;
  for (size_t sort = 0; sort < sizeof sorts / sizeof *sorts; sort++)
    for (int64_t n = 1; n <= 71; n++) {
      check_rounded_once(PONS_BFLOAT16, n < 71 ? n : 4100, sort);
      if (sorts[sort].high < 65504) check_rounded_once(PONS_FLOAT16, n < 71 ? n : 4100, sort);
    }
}

/* Rows that begin with a cache line, and others. */
static void results_that_outgrow_the_cache(void **state) {
  (void)state;
  static const struct {
    pons_dtype dtype;
    int64_t n, off;
  } cases[] = {{PONS_FLOAT32, 4096, 0}, {PONS_FLOAT32, 4096, 1},  {PONS_FLOAT32, 8256, 0}, {PONS_BFLOAT16, 1024, 0},
               {PONS_BFLOAT16, 1030, 0}, {PONS_FLOAT16, 2048, 0}, {PONS_FLOAT64, 1000, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const pons_dtype d = cases[i].dtype;
    const int64_t n = cases[i].n;
    large l;
    make_large(&l, d, n, cases[i].off);
    run_well(cpu_softmax, &(launch){&(softmax_params){true}, 1, 1, &l.x, &l.out});
    const char *row = large_row(&l);
    double greatest = -(double)INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) greatest = fmax(greatest, made_value(&l.row, k));
    for (int64_t k = 0; k < n; k++) sum += exp(made_value(&l.row, k) - greatest);
    for (int64_t k = 0; k < n; k++)
      check_near((double)n * dtype_read(d, row + k * (int64_t)pons_dtype_size(d)),
                 (double)n * exp(made_value(&l.row, k) - greatest) / sum, 3 * precision_of(d), "large softmax");
    unmake_large(&l);
  }
}

/* Rows of many sorts behind each other, each finished with the exponentials of the next one, are what each is by itself, on every set. */
static void check_rows_in_turn(pons_dtype d, int64_t n) {
  const int64_t rows = ((int64_t)26 << 20) / (n * (int64_t)pons_dtype_size(d));
  made x, y, one;
  make(&x, d, 2, (const int64_t[]){rows, n}, false), make_out(&y, d, 2, (const int64_t[]){rows, n}), make_out(&one, d, 1, &n);
  for (int64_t r = 0; r < rows; r++) {
    const size_t sort = random_int(0, 3) ? 0 : (size_t)random_int(0, sizeof sorts / sizeof *sorts - 1);
    for (int64_t i = random_int(0, 3); i < n; i += random_int(1, 40)) {
      const double by = (double)random_int(0, 1 << 20) / (1 << 20);
      dtype_write(d, made_element(&x, r * n + i), sorts[sort].all || (sorts[sort].odd != 0 && i % 7 == 0) ? sorts[sort].odd : sorts[sort].low + (sorts[sort].high - sorts[sort].low) * by);
    }
  }
  run_well(cpu_softmax, &(launch){&(softmax_params){false}, 1, 1, &x.op, &y.op});
  for (int64_t r = 0; r < rows; r++) {
    operand alone = one.op;
    alone.data = made_element(&x, r * n);
    run_well(cpu_softmax, &(launch){&(softmax_params){false}, 1, 1, &alone, &one.op});
    if (memcmp(one.op.data, made_element(&y, r * n), (size_t)n * pons_dtype_size(d)))
      fail_msg("%s on %s: row %d of %d", pons_dtype_name(d), cpu_isa(), (int)r, (int)rows);
  }
  unmake(&x), unmake(&y), unmake(&one);
}
static void rows_in_turn(void **state) {
  (void)state;
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    check_rows_in_turn(PONS_FLOAT32, 32 * random_int(1, 256));
    check_rows_in_turn(PONS_BFLOAT16, 32 * random_int(1, 256));
  }
  assert_true(cpu_set_isa(before));
}

static void infinities(void **state) {
  (void)state;
  float x[] = {-INFINITY, -INFINITY, 1, INFINITY, 1, -INFINITY}, y[3], z[6];
  int64_t shape[] = {3, 2}, strides[] = {2, 1}, one[] = {3, 1};
  operand in = {x, PONS_FLOAT32, 2, shape, strides}, sums = {y, PONS_FLOAT32, 2, one, one},
          out = {z, PONS_FLOAT32, 2, shape, strides};
  assert_null(cpu_log_sum_exp(&(launch){NULL, 1, 1, &in, &sums}));
  assert_true(y[0] == -INFINITY && y[1] == INFINITY && y[2] == 1);
  x[2] = NAN; /* beside an infinity */
  assert_null(cpu_log_sum_exp(&(launch){NULL, 1, 1, &in, &sums}));
  assert_true(isnan(y[1]));
  x[2] = 1;
  assert_null(cpu_softmax(&(launch){&(softmax_params){true}, 1, 1, &in, &out}));
  assert_true(isnan(z[0]) && isnan(z[3]) && z[4] == 1 && z[5] == 0);
}

/* What MLX gives for [1+2j, 1+3j, 9j]. */
static void takes_complex(void **state) {
  (void)state;
  float x[] = {1, 2, 1, 3, 0, 9}, y[6], z[2];
  const float wanted[] = {0.405989f, -0.241935f, 0.422938f, 0.21091f, 0.171073f, 0.0310248f},
              sum[] = {1.74949f, 2.53741f};
  int64_t shape[] = {3}, stride[] = {1}, one[] = {1};
  operand in = {x, PONS_COMPLEX64, 1, shape, stride}, out = {y, PONS_COMPLEX64, 1, shape, stride},
          s = {z, PONS_COMPLEX64, 1, one, stride};
  assert_null(cpu_softmax(&(launch){&(softmax_params){true}, 1, 1, &in, &out}));
  assert_null(cpu_log_sum_exp(&(launch){NULL, 1, 1, &in, &s}));
  for (int i = 0; i < 6; i++) check_near((double)y[i], (double)wanted[i], 1e-5, "complex softmax");
  for (int i = 0; i < 2; i++) check_near((double)z[i], (double)sum[i], 1e-5, "complex logsumexp");
}

/* A row that is taken in parts, of which the first is masked: with what is greater in a later one, or NaN there, or nothing at all. */
static void parts_of_a_long_row(void **state) {
  (void)state;
  enum { N = 20000 };
  static float x[N], y[N];
  const double ends[] = {-2, 7, NAN, (double)-INFINITY, (double)INFINITY};
  for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
    const bool none = isinf(ends[k]) && ends[k] < 0;
    double sum = 0, greatest = -(double)INFINITY;
    for (int i = 0; i < N; i++) x[i] = none || i < 9000 ? -INFINITY : (float)random_int(-40, 40) / 8;
    x[N - 3] = (float)ends[k];
    for (int i = 0; i < N; i++) greatest = fmax(greatest, (double)x[i]);
    for (int i = 0; i < N; i++) sum += exp((double)x[i] - greatest);
    const bool endless = isinf(greatest);
    float z = 0;
    const int64_t shape[1] = {N}, one[1] = {1}, stride[1] = {1};
    const operand in = {x, PONS_FLOAT32, 1, shape, stride}, out = {y, PONS_FLOAT32, 1, shape, stride}, total = {&z, PONS_FLOAT32, 1, one, stride};
    assert_null(cpu_softmax(&(launch){&(softmax_params){true}, 1, 1, &in, &out}));
    assert_null(cpu_log_sum_exp(&(launch){NULL, 1, 1, &in, &total}));
    check_near((double)z, endless ? greatest : log(sum) + greatest, 1e-6, "logsumexp");
    for (int i = 0; i < N; i++)
      check_near((double)y[i], endless ? (double)NAN : exp((double)x[i] - greatest) / sum, 1e-6, "softmax");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_loops), cmocka_unit_test(infinities),
                                     cmocka_unit_test(halves_are_rounded_once),
                                     cmocka_unit_test(results_that_outgrow_the_cache), cmocka_unit_test(rows_in_turn),
                                     cmocka_unit_test(takes_complex), cmocka_unit_test(parts_of_a_long_row)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
