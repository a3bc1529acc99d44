/* lines_cpu_test.c: what goes along lines of an axis: "ArgReduce", "Scan", "Sort", "ArgSort", "Partition",
   "ArgPartition". */
#include "backends/cpu/operands_for_tests.h"

/* ---- a line of x or of a result, along `axis` ---- */

static int64_t line_count(const made *x, int axis) {
  int64_t n = 1;
  for (int d = 0; d < x->op.ndim; d++) n *= d == axis ? 1 : x->shape[d];
  return n;
}
static char *line_element(const made *x, int axis, int64_t line, int64_t i) {
  int64_t index[PONS_MAX_NDIM];
  for (int d = x->op.ndim - 1; d >= 0; d--) {
    index[d] = d == axis ? i : line % x->shape[d];
    if (d != axis) line /= x->shape[d];
  }
  return made_at(x, index);
}
static double line_value(const made *x, int axis, int64_t line, int64_t i) {
  return dtype_read(x->op.dtype, line_element(x, axis, line, i));
}

static int random_shape(int64_t *shape, int *axis, int64_t longest) {
  int n = (int)random_int(1, 4);
  for (int i = 0; i < n; i++) shape[i] = random_int(0, 20) ? random_int(1, 6) : 0;
  *axis = (int)random_int(0, n - 1);
  shape[*axis] = random_int(1, longest);
  return n;
}

/* ---- ArgReduce ---- */

static void check_arg_reduce(const made *x, int axis, int kind) {
  made y;
  int64_t out[PONS_MAX_NDIM];
  memcpy(out, x->shape, sizeof out);
  out[axis] = 1;
  make_out(&y, PONS_UINT32, x->op.ndim, out);
  run_well(cpu_arg_reduce, &(launch){&(arg_reduce_params){kind, axis}, 1, 1, &x->op, &y.op});
  for (int64_t line = 0; line < line_count(x, axis); line++) {
    int64_t best = 0;
    for (int64_t i = 1; i < x->shape[axis]; i++) {
      double v = line_value(x, axis, line, i), b = line_value(x, axis, line, best);
      if (isnan(b)) break;
      if (isnan(v) || (kind == ARG_MIN ? v < b : v > b)) best = i;
    }
    assert_int_equal((int64_t)line_value(&y, axis, line, 0), best);
  }
  unmake(&y);
}

static void first_of_the_greatest(void **state) {
  (void)state;
  for (int turn = 0; turn < 200; turn++) {
    int axis;
    int64_t shape[4];
    int n = random_shape(shape, &axis, turn % 5 ? 20 : 2500);
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    made x;
    make(&x, d, n, shape, turn % 2);
    if (d == PONS_FLOAT32 && operand_size(&x.op) && turn % 3)
      dtype_write(d, made_element(&x, random_int(0, operand_size(&x.op) - 1)), (double)NAN);
    check_arg_reduce(&x, axis, turn % 2 ? ARG_MIN : ARG_MAX);
    unmake(&x);
  }
}

/* ---- Scan ---- */

static double scanned(int kind, double a, double b) {
  switch (kind) {
    case SCAN_SUM: return a + b;
    case SCAN_PROD: return a * b;
    case SCAN_MIN: return a < b ? a : b;
    case SCAN_MAX: return a > b ? a : b;
    default: return isinf(a) ? b : fmax(a, b) + log1p(exp(-fabs(a - b)));
  }
}

static void check_scan(const made *x, int axis, scan_params p) {
  made y;
  pons_dtype d = x->op.dtype, to = d == PONS_BOOL && p.kind == SCAN_SUM ? PONS_INT32 : d;
  make_out(&y, to, x->op.ndim, x->shape);
  p.axis = axis;
  run_well(cpu_scan, &(launch){&p, 1, 1, &x->op, &y.op});
  const double starts[SCAN_KINDS] = {-INFINITY, INFINITY, 0, 1, -INFINITY};
  int64_t n = x->shape[axis];
  for (int64_t line = 0; line < line_count(x, axis); line++) {
    double so_far = starts[p.kind], size = 0;
    for (int64_t k = 0; k < n; k++) {
      int64_t i = p.reverse ? n - 1 - k : k;
      double before = so_far;
      so_far = scanned(p.kind, so_far, line_value(x, axis, line, i));
      size += fabs(so_far);
      double wanted = p.inclusive ? so_far : before;
      if (!dtype_is_inexact(to) && isinf(wanted)) continue; /* the least or greatest of the integers */
      char wrapped[8];
      if (!dtype_is_inexact(to)) {
        dtype_write_int(to, wrapped, fabs(wanted) < 9e18 ? (int64_t)wanted : 0);
        if (fabs(wanted) >= 9e15) break;
        wanted = dtype_read(to, wrapped);
      }
      check_near(line_value(&y, axis, line, i), wanted, 20 * precision_of(to) * (1 + size),
                 pons_dtype_name(to));
    }
  }
  unmake(&y);
}

static void scans(void **state) {
  (void)state;
  for (int turn = 0; turn < 300; turn++) {
    int axis;
    int64_t shape[4];
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    scan_params p = {(int)random_int(0, dtype_is_inexact(d) ? SCAN_LOGADDEXP : SCAN_PROD), 0,
                     random_int(0, 1), random_int(0, 1)};
    int n = random_shape(shape, &axis, p.kind == SCAN_PROD ? 6 : turn % 5 ? 20 : 2500);
    made x;
    make(&x, d, n, shape, turn % 2);
    check_scan(&x, axis, p);
    unmake(&x);
  }
}

/* In segments, which threads share. */
static void scans_long_lines(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_INT64, PONS_FLOAT64, PONS_FLOAT32, PONS_UINT32};
  for (int turn = 0; turn < 16; turn++) {
    const pons_dtype d = dtypes[turn % 4];
    const int kinds[] = {SCAN_SUM, SCAN_MAX, SCAN_MIN, dtype_is_inexact(d) ? SCAN_LOGADDEXP : SCAN_SUM};
    int64_t shape[] = {random_int(1, 2), random_int(65537, 140000)};
    scan_params p = {kinds[turn / 4], 0, random_int(0, 1), random_int(0, 1)};
    made x;
    make(&x, d, 2, shape, turn % 2);
    check_scan(&x, 1, p);
    unmake(&x);
  }
}

/* Past the caches, where a result may not begin with a line of them. Sums of eighths, which are exact. */
static void scans_what_outgrows_the_cache(void **state) {
  (void)state;
  static const struct {
    pons_dtype dtype;
    int off;
    bool reverse, inclusive;
  } cases[] = {{PONS_FLOAT32, 0, false, true}, {PONS_FLOAT32, 3, false, false}, {PONS_FLOAT64, 0, false, false}, {PONS_FLOAT32, 0, true, true}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const pons_dtype d = cases[c].dtype;
    const int64_t size = (int64_t)pons_dtype_size(d), n = ((int64_t)25 << 20) / size + random_int(0, 99), room = n + 24;
    made x, y;
    make(&x, d, 1, &n, false), make_out(&y, d, 1, &room);
    char *const to = y.memory + (64 - (uintptr_t)y.memory % 64) % 64 + cases[c].off * size;
    operand out = y.op;
    out.shape = x.shape, out.data = to;
    run_well(cpu_scan, &(launch){&(scan_params){SCAN_SUM, 0, cases[c].reverse, cases[c].inclusive}, 1, 1, &x.op, &out});
    double so_far = 0;
    for (int64_t k = 0; k < n; k++) {
      const int64_t i = cases[c].reverse ? n - 1 - k : k;
      const double sum = so_far + made_value(&x, i), got = dtype_read(d, to + i * size);
      if (got != (cases[c].inclusive ? sum : so_far)) fail_msg("case %d: running sum %d is %.9g", (int)c, (int)k, got);
      so_far = sum;
    }
    unmake(&x), unmake(&y);
  }
}

/* What MLX gives for exclusive scans of [1, 2, 3]. */
static void exclusive_scans_start_at_the_identity(void **state) {
  (void)state;
  int32_t x[] = {1, 2, 3}, y[3];
  int8_t small[] = {1, 2, 3}, z[3];
  const int32_t wanted[][3] = {{INT32_MIN, 1, 2}, {INT32_MAX, 1, 1}, {0, 1, 3}, {1, 1, 2}};
  int64_t shape[] = {3}, stride[] = {1};
  operand in = {x, PONS_INT32, 1, shape, stride}, out = {y, PONS_INT32, 1, shape, stride};
  for (int kind = SCAN_MAX; kind <= SCAN_PROD; kind++) {
    assert_null(cpu_scan(&(launch){&(scan_params){kind, 0, false, false}, 1, 1, &in, &out}));
    assert_memory_equal(y, wanted[kind], sizeof y);
  }
  operand small_in = {small, PONS_INT8, 1, shape, stride}, small_out = {z, PONS_INT8, 1, shape, stride};
  assert_null(cpu_scan(&(launch){&(scan_params){SCAN_MAX, 0, false, false}, 1, 1, &small_in, &small_out}));
  assert_int_equal(z[0], INT8_MIN);
  assert_null(cpu_scan(&(launch){&(scan_params){SCAN_MIN, 0, true, false}, 1, 1, &small_in, &small_out}));
  assert_int_equal(z[2], INT8_MAX);
}

/* ---- sorting ---- */

static bool comes_before(double a, double b) { return !isnan(a) && (isnan(b) || a < b); }

static void check_sort(const made *x, int axis) {
  made sorted, order;
  make_out(&sorted, x->op.dtype, x->op.ndim, x->shape);
  make_out(&order, PONS_UINT32, x->op.ndim, x->shape);
  run_well(cpu_sort, &(launch){&(axis_params){axis}, 1, 1, &x->op, &sorted.op});
  run_well(cpu_arg_sort, &(launch){&(axis_params){axis}, 1, 1, &x->op, &order.op});
  int64_t n = x->shape[axis];
  bool *seen = malloc((size_t)n);
  for (int64_t line = 0; line < line_count(x, axis); line++) {
    memset(seen, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
      int64_t from = (int64_t)line_value(&order, axis, line, i);
      assert_true(from < n && !seen[from]);
      seen[from] = true;
      assert_memory_equal(line_element(x, axis, line, from), line_element(&sorted, axis, line, i),
                          pons_dtype_size(x->op.dtype));
      if (i == 0) continue;
      double a = line_value(&sorted, axis, line, i - 1), b = line_value(&sorted, axis, line, i);
      assert_false(comes_before(b, a));
      if (!comes_before(a, b)) assert_true(line_value(&order, axis, line, i - 1) < (double)from); /* stable */
    }
  }
  made part, arg_part;
  make_out(&part, x->op.dtype, x->op.ndim, x->shape);
  make_out(&arg_part, PONS_UINT32, x->op.ndim, x->shape);
  partition_params p = {(int)random_int(0, n - 1), axis};
  run_well(cpu_partition, &(launch){&p, 1, 1, &x->op, &part.op});
  run_well(cpu_arg_partition, &(launch){&p, 1, 1, &x->op, &arg_part.op});
  for (int64_t line = 0; line < line_count(x, axis); line++)
    for (int64_t i = 0; i < n; i++) {
      double v = line_value(&part, axis, line, i), kth = line_value(&part, axis, line, p.kth);
      assert_false(i < p.kth ? comes_before(kth, v) : comes_before(v, kth));
      assert_memory_equal(line_element(x, axis, line, (int64_t)line_value(&arg_part, axis, line, p.kth)),
                          line_element(&sorted, axis, line, p.kth), pons_dtype_size(x->op.dtype));
    }
  free(seen);
  unmake(&sorted), unmake(&order), unmake(&part), unmake(&arg_part);
}

static void sorts(void **state) {
  (void)state;
  for (int turn = 0; turn < 150; turn++) {
    int axis;
    int64_t shape[4];
    int n = random_shape(shape, &axis, turn % 4 ? 30 : 1500);
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    made x;
    make(&x, d, n, shape, turn % 2);
    int64_t count = operand_size(&x.op);
    const double special[] = {(double)NAN, 0, -0.0, (double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < 20 && count && dtype_is_inexact(d); i++)
      dtype_write(d, made_element(&x, random_int(0, count - 1)), special[random_int(0, 4)]);
    check_sort(&x, axis);
    unmake(&x);
  }
}

/* Those that all threads sort together; few different elements, or many. */
static void sorts_long_lines(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_INT32, PONS_FLOAT16, PONS_UINT8, PONS_BFLOAT16, PONS_UINT32, PONS_INT8};
  for (int turn = 0; turn < 14; turn++) {
    const pons_dtype d = dtypes[turn % 7];
    int64_t shape[] = {turn % 3 ? 1 : 2, random_int(65536, 70000)};
    made x;
    make(&x, d, 2, shape, turn % 2);
    for (int i = 0; i < 30000; i++)
      if (pons_dtype_size(d) == 4 && turn < 7) {
        const uint32_t bits = (uint32_t)random_bits(); /* NaN of all sorts among them */
        memcpy(made_element(&x, random_int(0, operand_size(&x.op) - 1)), &bits, sizeof bits);
      }
    const double special[] = {(double)NAN, 0, -0.0, (double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < 200 && dtype_is_inexact(d) && turn % 5; i++)
      dtype_write(d, made_element(&x, random_int(0, operand_size(&x.op) - 1)), special[random_int(0, 4)]);
    check_sort(&x, 1);
    unmake(&x);
  }
}

/* Bits that all share are not sorted by: the first, middle or last ones of a word, some of these, all. */
static void sorts_long_lines_of_few_bits(void **state) {
  (void)state;
  const uint32_t masks[] = {0x7ff, 0x3ff800, 0xffc00000, 0x3fffff, 0xffc007ff, 0xfffff800, 0xffffffff, 0};
  for (int turn = 0; turn < 16; turn++) {
    const int axis = turn > 7; /* results are neighbours or not */
    const int64_t n = random_int(65536, 70000), shape[] = {axis ? 1 : n, axis ? n : 2};
    made x;
    make(&x, turn % 2 ? PONS_UINT32 : PONS_INT32, 2, shape, false);
    for (int64_t i = 0; i < operand_size(&x.op); i++) {
      const uint32_t bits = (uint32_t)random_bits() & masks[turn % 8];
      memcpy(made_element(&x, i), &bits, sizeof bits);
    }
    check_sort(&x, axis);
    unmake(&x);
  }
}

static void sorts_the_largest_integers(void **state) {
  (void)state;
  int64_t x[] = {INT64_MAX, -1, INT64_MIN, 0, INT64_MAX - 1}, y[5];
  const int64_t wanted[] = {INT64_MIN, -1, 0, INT64_MAX - 1, INT64_MAX};
  int64_t shape[] = {5}, stride[] = {1};
  operand in = {x, PONS_INT64, 1, shape, stride}, out = {y, PONS_INT64, 1, shape, stride};
  assert_null(cpu_sort(&(launch){&(axis_params){0}, 1, 1, &in, &out}));
  assert_memory_equal(y, wanted, sizeof y);
}

/* What MLX gives for [1+2j, 1+3j, 9j]: ordered by real part, then by imaginary part. */
static void wide_complex_lines(void **state) {
  (void)state;
  const double tiny = 1e-12; /* what a key of float32 would not tell apart */
  double x[] = {1, 2, 1, 2 - tiny, 1 - tiny, 9, 1, NAN}, y[8];
  uint32_t order[4];
  int64_t shape[] = {4}, one[] = {1}, stride[] = {1};
  operand in = {x, PONS_COMPLEX128, 1, shape, stride}, out = {y, PONS_COMPLEX128, 1, shape, stride};
  operand place = {order, PONS_UINT32, 1, one, stride}, places = {order, PONS_UINT32, 1, shape, stride};
  assert_null(cpu_arg_sort(&(launch){&(axis_params){0}, 1, 1, &in, &places}));
  assert_memory_equal(order, ((const uint32_t[]){2, 1, 0, 3}), sizeof order);
  assert_null(cpu_sort(&(launch){&(axis_params){0}, 1, 1, &in, &out}));
  assert_memory_equal(y, ((const double[]){1 - tiny, 9, 1, 2 - tiny, 1, 2}), 6 * sizeof *y);
  shape[0] = 3;
  assert_null(cpu_arg_reduce(&(launch){&(arg_reduce_params){ARG_MAX, 0}, 1, 1, &in, &place}));
  assert_int_equal(order[0], 0);
  const double wanted[][6] = {[SCAN_MAX] = {1, 2, 1, 2, 1, 2},
                              [SCAN_MIN] = {1, 2, 1, 2 - tiny, 1 - tiny, 9},
                              [SCAN_SUM] = {1, 2, 2, 4 - tiny, 2 + (1 - tiny), 13 - tiny}};
  for (int kind = SCAN_MAX; kind <= SCAN_SUM; kind++) {
    assert_null(cpu_scan(&(launch){&(scan_params){kind, 0, false, true}, 1, 1, &in, &out}));
    for (int i = 0; i < 6; i++) check_near(y[i], wanted[kind][i], 1e-15, "running result");
  }
}

static void complex_lines(void **state) {
  (void)state;
  float x[] = {1, 2, 1, 3, 0, 9}, y[6];
  uint32_t order[3];
  int64_t shape[] = {3}, one[] = {1}, stride[] = {1};
  operand in = {x, PONS_COMPLEX64, 1, shape, stride}, out = {y, PONS_COMPLEX64, 1, shape, stride};
  operand place = {order, PONS_UINT32, 1, one, stride}, places = {order, PONS_UINT32, 1, shape, stride};
  assert_null(cpu_arg_reduce(&(launch){&(arg_reduce_params){ARG_MAX, 0}, 1, 1, &in, &place}));
  assert_int_equal(order[0], 1);
  assert_null(cpu_arg_reduce(&(launch){&(arg_reduce_params){ARG_MIN, 0}, 1, 1, &in, &place}));
  assert_int_equal(order[0], 2);
  assert_null(cpu_arg_sort(&(launch){&(axis_params){0}, 1, 1, &in, &places}));
  assert_memory_equal(order, ((const uint32_t[]){2, 0, 1}), sizeof order);
  assert_null(cpu_sort(&(launch){&(axis_params){0}, 1, 1, &in, &out}));
  assert_memory_equal(y, ((const float[]){0, 9, 1, 2, 1, 3}), sizeof y);
  const float wanted[][6] = {[SCAN_MAX] = {1, 2, 1, 3, 1, 3},
                             [SCAN_MIN] = {1, 2, 1, 2, 0, 9},
                             [SCAN_SUM] = {1, 2, 2, 5, 2, 14},
                             [SCAN_PROD] = {1, 2, -5, 5, -45, -45}};
  for (int kind = SCAN_MAX; kind <= SCAN_PROD; kind++) {
    assert_null(cpu_scan(&(launch){&(scan_params){kind, 0, false, true}, 1, 1, &in, &out}));
    assert_memory_equal(y, wanted[kind], sizeof y);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_of_the_greatest),
      cmocka_unit_test(scans),
      cmocka_unit_test(exclusive_scans_start_at_the_identity),
      cmocka_unit_test(sorts),
      cmocka_unit_test(sorts_long_lines),
      cmocka_unit_test(sorts_long_lines_of_few_bits),
      cmocka_unit_test(scans_long_lines),
      cmocka_unit_test(scans_what_outgrows_the_cache),
      cmocka_unit_test(sorts_the_largest_integers), cmocka_unit_test(complex_lines),
      cmocka_unit_test(wide_complex_lines),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
