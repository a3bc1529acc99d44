/* fused_test.c: what kernels give on each instruction set against the interpreter: every row and cast for
   every dtype, with operands that are packed, repeated, strided, reversed and transposed; pairs of rows and random chains of
   instructions; outputs in the memory of inputs; loops long enough for several threads. PONS_SEED repeats a
   run. */
#include "backends/cpu/cpu.h"
#include "tests/seed.h"
#include "kernel/kernel.h"
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t state = 1;

static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
static int64_t below(int64_t n) { return (int64_t)(random_bits() % (uint64_t)n); }
static double between(double low, double high) {
  return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53;
}

static bool whole; /* operands are whole numbers: then chains of sums, comparisons and casts are exact */

static bool is_float(pons_dtype d) { return d >= PONS_FLOAT16; }

/* ---- operands ---- */

typedef struct sample {
  operand o;
  shape shape, strides;
  char *memory;
} sample;

static void fill(char *at, pons_dtype dtype, int64_t n, double low, double high) {
  size_t size = pons_dtype_size(dtype);
  for (int64_t i = 0; i < n; i++, at += size) {
    double x = below(40) == 0 ? (double)below(3) - 1 : between(low, high);
    if (whole) x = rint(x);
    if (is_float(dtype) && below(200) == 0) x = below(3) == 0 ? NAN : below(2) ? INFINITY : -INFINITY;
    if (dtype_is_complex(dtype)) {
      const pons_dtype part = dtype_of_parts(dtype);
      for (int k = 0; k < 2; k++) dtype_write(part, at + (size_t)k * pons_dtype_size(part), between(low, high));
    } else if (is_float(dtype)) {
      dtype_write(dtype, at, x);
    } else {
      dtype_write_int(dtype, at,
                      dtype == PONS_BOOL ? below(2)
                      : below(60) == 0   ? (int64_t)random_bits()
                                         : (int64_t)x);
    }
  }
}

/* An operand of the given shape in a layout of its own: axes in any order, some repeated, gaps between
   elements, either direction. */
static sample sample_new(pons_dtype dtype, const shape *s, int layout, double low, double high) {
  sample r = {{NULL, dtype, s->n, NULL, NULL}, *s, {s->n, {0}}, NULL};
  int order[PONS_MAX_NDIM];
  int64_t step = layout == 0 ? 1 : 1 + below(2), start = 0;
  for (int i = 0; i < s->n; i++) order[i] = i;
  for (int i = s->n - 1; i > 0 && layout > 1; i--) {
    int j = (int)below(i + 1), kept = order[i];
    order[i] = order[j], order[j] = kept;
  }
  for (int i = s->n - 1; i >= 0; i--) {
    int axis = order[i];
    if (layout == 1 || (layout > 1 && below(4) == 0)) continue; /* stride 0 */
    bool back = layout > 1 && below(5) == 0;
    if (back) start += step * (s->dims[axis] - 1);
    r.strides.dims[axis] = back ? -step : step;
    step *= s->dims[axis];
  }
  r.memory = calloc((size_t)step + 1, pons_dtype_size(dtype));
  fill(r.memory, dtype, step, low, high);
  r.o.data = r.memory + start * (int64_t)pons_dtype_size(dtype);
  return r;
}
static sample *linked(sample *s) {
  s->o.shape = s->shape.dims;
  s->o.strides = s->strides.dims;
  return s;
}
static sample sample_packed(pons_dtype dtype, const shape *s) {
  sample r = {{NULL, dtype, s->n, NULL, NULL}, *s, {s->n, {0}}, NULL};
  shape_row_major(s->n, s->dims, r.strides.dims);
  r.memory = calloc((size_t)shape_size(s->n, s->dims) + 1, pons_dtype_size(dtype));
  r.o.data = r.memory;
  return r;
}

/* ---- comparing ---- */

static double tolerance(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16:
      return 1e-3;
    case PONS_BFLOAT16:
      return 8e-3;
    case PONS_FLOAT64:
      return 1e-13;
    case PONS_COMPLEX128:
      return 1e-12;
    case PONS_COMPLEX64:
      return 1e-5;
    default:
      return 5e-7;
  }
}

/* How far a result may be off: in relation to its size, and for what is cancelled in sums of numbers near
   1. */
typedef struct slack {
  double relative, absolute; /* in units of `tolerance` */
} slack;

static bool close(pons_dtype d, const char *a, const char *b, slack e) {
  size_t size = pons_dtype_size(d);
  if (!is_float(d)) return memcmp(a, b, size) == 0;
  if (dtype_is_complex(d)) {
    const pons_dtype part = dtype_of_parts(d);
    const double x[2] = {dtype_read(part, a), dtype_read(part, a + size / 2)};
    const double y[2] = {dtype_read(part, b), dtype_read(part, b + size / 2)};
    double scale = hypot(y[0], y[1]);
    if (!isfinite(scale)) return !isfinite(hypot(x[0], x[1]));
    return hypot(x[0] - y[0], x[1] - y[1]) <= tolerance(d) * (e.relative * (scale + 1e-30) + e.absolute);
  }
  double x = dtype_read(d, a), y = dtype_read(d, b);
  if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
  if (x == y) return true;
  double least = d == PONS_FLOAT16 ? 6e-8 : d == PONS_FLOAT64 ? 1e-300 : 3e-45; /* denormals */
  return fabs(x - y) <= tolerance(d) * (e.relative * fabs(y) + e.absolute) + (e.relative > 0 ? least : 0);
}

static void compare(const kernel *k, const sample *got, const sample *want, const char *what, slack e) {
  int64_t n = shape_size(got->shape.n, got->shape.dims);
  size_t size = pons_dtype_size(got->o.dtype);
  for (int64_t i = 0; i < n; i++) {
    const char *a = got->memory + i * (int64_t)size, *b = want->memory + i * (int64_t)size;
    if (close(got->o.dtype, a, b, e)) continue;
    text t = {0};
    kernel_print(&t, k);
    print_message("%s on %s: %s\n", what, cpu_isa(), t.at);
    fail_msg("element %lld of %s: %.17g, should be %.17g (seed in PONS_SEED)", (long long)i,
             shape_text(got->shape.n, got->shape.dims), dtype_read(got->o.dtype, a),
             dtype_read(got->o.dtype, b));
  }
}

static pons_dtype dtype_of_value(const kernel *k, int value) {
  return (pons_dtype)(value < k->n_in ? k->in[value] : k->code[value - k->n_in].result);
}

/* The value that casts to its own dtype hand on. */
static int behind_casts(const kernel *k, int value) {
  while (value >= k->n_in && k->code[value - k->n_in].row == ROW_cast &&
         dtype_of_value(k, k->code[value - k->n_in].arg[0]) == dtype_of_value(k, value))
    value = k->code[value - k->n_in].arg[0];
  return value;
}

/* Runs `k` on operands in random layouts and compares. */
static void try_again(const kernel *k, const shape *s, const char *what, double low, double high, slack e, void **kept) {
  sample in[KERNEL_MAX_INPUTS], got[KERNEL_MAX_OUTPUTS], want[KERNEL_MAX_OUTPUTS];
  operand in_ops[KERNEL_MAX_INPUTS], got_ops[KERNEL_MAX_OUTPUTS], want_ops[KERNEL_MAX_OUTPUTS];
  int packed = (int)below(3);
  for (int i = 0; i < k->n_in; i++) {
    in[i] = sample_new((pons_dtype)k->in[i], s, packed == 0 ? 0 : (int)below(4), low, high);
    in_ops[i] = linked(&in[i])->o;
  }
  for (int i = 0; i < k->n_out; i++) {
    got[i] = sample_packed(dtype_of_value(k, k->out[i]), s);
    want[i] = sample_packed(dtype_of_value(k, k->out[i]), s);
    got_ops[i] = linked(&got[i])->o;
    want_ops[i] = linked(&want[i])->o;
  }
  kernel_interpret(k, in_ops, want_ops);
  for (int again = 0; again < 2; again++) {
    assert_null(cpu_run_kernel_again(k, in_ops, got_ops, kept));
    for (int i = 0; i < k->n_out; i++) compare(k, &got[i], &want[i], what, e);
    for (int i = 0; i < k->n_out && !again; i++)
      memset(got[i].memory, 0xa5, (size_t)shape_size(s->n, s->dims) * pons_dtype_size(got[i].o.dtype));
  }
  for (int i = 0; i < k->n_in; i++) { /* once more, the first output in the memory of an input */
    bool packed_in = shape_is_row_major(s->n, s->dims, in[i].strides.dims);
    if (!packed_in || pons_dtype_size(in[i].o.dtype) != pons_dtype_size(got[0].o.dtype)) continue;
    bool alone = true; /* what is stored as an input's own value may not be overwritten first */
    for (int o = 0; o < k->n_out; o++) alone &= behind_casts(k, k->out[o]) != i || o == 0;
    if (!alone) continue;
    got_ops[0].data = in_ops[i].data;
    assert_null(cpu_run_kernel_again(k, in_ops, got_ops, kept)); /* other than before: what was kept does not fit */
    memcpy(got[0].memory, in_ops[i].data,
           (size_t)shape_size(s->n, s->dims) * pons_dtype_size(got[0].o.dtype));
    for (int o = 0; o < k->n_out; o++) compare(k, &got[o], &want[o], "donated", e);
    break;
  }
  for (int i = 0; i < k->n_in; i++) free(in[i].memory);
  for (int i = 0; i < k->n_out; i++) free(got[i].memory), free(want[i].memory);
}
static void try_kernel(const kernel *k, const shape *s, const char *what, double low, double high, slack e) {
  void *kept = NULL;
  try_again(k, s, what, low, high, e, &kept);
  mem_free(kept);
}

static shape random_shape(void) {
  static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40, 65};
  shape s = {(int)below(5), {0}};
  int64_t size = 1;
  for (int i = 0; i < s.n; i++) {
    s.dims[i] = sizes[below(14)];
    if (size * s.dims[i] > 5000) s.dims[i] = 1;
    size *= s.dims[i];
  }
  if (s.n == 1 && below(2)) s.dims[0] = 1000 + below(3000);
  return s;
}

static kernel one_instruction(int row, int operand_dtype, int result) {
  kernel k = {row_table[row].arity,
              1,
              1,
              {0},
              {{(uint16_t)row, (uint8_t)operand_dtype, (uint8_t)result, {0, 1, 2}}},
              {0}};
  for (int i = 0; i < k.n_in; i++) k.in[i] = (uint8_t)operand_dtype;
  if (row == ROW_select) k.in[0] = PONS_BOOL;
  k.out[0] = (int16_t)k.n_in;
  return k;
}

static void for_each_isa(void (*check)(void)) {
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    assert_string_equal(cpu_isa(), *isa);
    check();
  }
}

/* ---- tests ---- */

static void check_rows(void) {
  for (int row = 0; row < ROW_COUNT; row++) {
    if (row == ROW_cast) continue;
    slack e = {row == ROW_power ? 20 : 1, row == ROW_logaddexp};
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      if (!row_takes((uint16_t)row, (pons_dtype)d)) continue;
      kernel k = one_instruction(row, d, row_result((uint16_t)row, (pons_dtype)d));
      for (int repeat = 0; repeat < 4; repeat++) {
        shape s = random_shape();
        try_kernel(&k, &s, pons_dtype_name((pons_dtype)d), row_table[row].low, row_table[row].high, e);
      }
    }
  }
}
static void rows_agree_with_the_interpreter(void **unused) {
  (void)unused;
  for_each_isa(check_rows);
}

static void check_casts(void) {
  for (int from = 0; from < PONS_DTYPE_COUNT; from++) {
    for (int to = 0; to < PONS_DTYPE_COUNT; to++) {
      kernel k = one_instruction(ROW_cast, from, to);
      for (int repeat = 0; repeat < 3; repeat++) {
        shape s = random_shape();
        try_kernel(&k, &s, "cast", repeat ? -1e10 : -300, repeat ? 1e10 : 300, (slack){1, 0});
      }
    }
  }
}
static void casts_agree_with_the_interpreter(void **unused) {
  (void)unused;
  for_each_isa(check_casts);
}

static void copies_of_any_layout(void **unused) {
  (void)unused;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    kernel k = {1, 0, 1, {(uint8_t)d}, {{0}}, {0}};
    for (int repeat = 0; repeat < 40; repeat++) {
      shape s = random_shape();
      try_kernel(&k, &s, "copy", -10, 10, (slack){0, 0});
    }
  }
}

/* Instructions that are exact on whole numbers, whatever the dtype, with casts between. */
static kernel random_chain(void) {
  static const int rows[] = {ROW_add,  ROW_subtract, ROW_maximum, ROW_negative, ROW_abs,
                             ROW_less, ROW_select,   ROW_cast,    ROW_cast};
  static const pons_dtype types[] = {PONS_FLOAT32,  PONS_FLOAT32, PONS_FLOAT16,
                                     PONS_BFLOAT16, PONS_FLOAT64, PONS_INT32};
  kernel k = {.n_in = 1 + (int)below(6), .n_code = 0, .n_out = 1 + (int)below(3)};
  for (int i = 0; i < k.n_in; i++) k.in[i] = (uint8_t)types[below(6)];
  while (k.n_code < 2 + (int)(state % 30)) {
    int values = k.n_in + k.n_code, row = rows[below(9)];
    instruction c = {(uint16_t)row, 0, 0, {-1, -1, -1}};
    int16_t a = (int16_t)below(values);
    pons_dtype t = dtype_of_value(&k, a);
    c.operand = (uint8_t)t;
    c.result = (uint8_t)(row == ROW_cast ? types[below(6)] : row_result((uint16_t)row, t));
    if (t == PONS_BOOL && row == ROW_negative) continue;
    int16_t mates[2] = {a, a}, flag = -1;
    for (int tries = 0; tries < 20; tries++) {
      int16_t v = (int16_t)below(values);
      if (dtype_of_value(&k, v) == t) mates[tries & 1] = v;
      if (dtype_of_value(&k, v) == PONS_BOOL) flag = v;
    }
    c.arg[0] = a;
    c.arg[1] = mates[0];
    if (row == ROW_select) {
      if (flag < 0) continue;
      c.arg[0] = flag, c.arg[1] = mates[0], c.arg[2] = mates[1];
    }
    k.code[k.n_code++] = c;
  }
  for (int o = 0; o < k.n_out; o++)
    k.out[o] = (int16_t)(o == 0 ? k.n_in + k.n_code - 1 : below(k.n_in + k.n_code));
  return k;
}
static void check_chains(void) {
  whole = true;
  for (int repeat = 0; repeat < 400; repeat++) {
    kernel k = random_chain();
    void *kept = NULL; /* for one layout after another */
    for (int layout = 0; layout < 3; layout++) {
      shape s = random_shape();
      try_again(&k, &s, "chain", -3, 3, (slack){0, 0}, &kept);
    }
    mem_free(kept);
  }
  whole = false;
}
static void chains_agree_with_the_interpreter(void **unused) {
  (void)unused;
  for_each_isa(check_chains);
}

/* second(first(a, b), c), or second(c, first(a, b)): to the bit, whatever of them are numbers. */
static kernel pair_of(int first, int second, bool other_side) {
  kernel k = {.n_in = 3, .n_code = 2, .n_out = 1, .in = {PONS_FLOAT32, PONS_FLOAT32, PONS_FLOAT32}, .out = {4}};
  k.code[0] = (instruction){(uint16_t)first, PONS_FLOAT32, PONS_FLOAT32, {0, 1, -1}};
  k.code[1] = (instruction){(uint16_t)second, PONS_FLOAT32, PONS_FLOAT32, {other_side ? 2 : 3, other_side ? 3 : 2, -1}};
  return k;
}
static void check_pairs(void) {
  static const int rows[] = {ROW_add, ROW_subtract, ROW_multiply, ROW_square};
  for (int first = 0; first < 4; first++)
    for (int second = 0; second < 4; second++)
      for (int repeat = 0; repeat < 24; repeat++) {
        const kernel k = pair_of(rows[first], rows[second], rows[second] != ROW_square && repeat % 2);
        const shape s = random_shape();
        try_kernel(&k, &s, "pair", -10, 10, (slack){0, 0});
      }
}
static void pairs_are_rounded_one_by_one(void **unused) {
  (void)unused;
  for_each_isa(check_pairs);
}

/* in[0] + in[1] transposed, then exp: long enough for several threads. */
static void results_do_not_depend_on_threads(void **unused) {
  (void)unused;
  kernel k = {
      2,
      2,
      1,
      {PONS_FLOAT32, PONS_FLOAT32},
      {{ROW_add, PONS_FLOAT32, PONS_FLOAT32, {0, 1, -1}}, {ROW_exp, PONS_FLOAT32, PONS_FLOAT32, {2, -1, -1}}},
      {3}};
  for (int transposed = 0; transposed < 2; transposed++) {
    shape s = {2, {613, 401}};
    sample a = sample_packed(PONS_FLOAT32, &s), b = sample_packed(PONS_FLOAT32, &s),
           one = sample_packed(PONS_FLOAT32, &s), many = sample_packed(PONS_FLOAT32, &s);
    fill(a.memory, PONS_FLOAT32, 613 * 401, -3, 3);
    fill(b.memory, PONS_FLOAT32, 613 * 401, -3, 3);
    if (transposed) b.strides = (shape){2, {1, 613}};
    operand in[2] = {linked(&a)->o, linked(&b)->o}, out_one = linked(&one)->o, out_many = linked(&many)->o;
    parallel_set_threads(1);
    cpu_run_kernel(&k, in, &out_one);
    for (int threads = 2; threads < 5; threads++) {
      parallel_set_threads(threads);
      memset(many.memory, 0, 613 * 401 * 4);
      cpu_run_kernel(&k, in, &out_many);
      assert_memory_equal(one.memory, many.memory, 613 * 401 * 4);
    }
    kernel_interpret(&k, in, &out_many);
    compare(&k, &one, &many, "threads", (slack){4, 0});
    free(a.memory), free(b.memory), free(one.memory), free(many.memory);
  }
}

static void an_empty_kernel_touches_nothing(void **unused) {
  (void)unused;
  kernel k = one_instruction(ROW_exp, PONS_FLOAT32, PONS_FLOAT32);
  int64_t dims[2] = {0, 3}, strides[2] = {3, 1};
  operand o = {NULL, PONS_FLOAT32, 2, dims, strides};
  assert_null(cpu_run_kernel(&k, &o, &o));
}

/* Written past the caches: more elements than they hold, the operand's memory kept and given, to whole cache lines and to
   others. */
static void results_that_outgrow_the_cache(void **unused) {
  (void)unused;
  int64_t n = 7000003, one = 1;
  float *x = malloc((size_t)n * sizeof *x), *room = aligned_alloc(64, ((size_t)n + 32) / 16 * 16 * sizeof *room);
  assert_true(x && room);
  for (int64_t i = 0; i < n; i++) x[i] = (float)i;
  kernel k = one_instruction(ROW_add, PONS_FLOAT32, PONS_FLOAT32);
  k.n_in = 1; /* x + x */
  k.code[0].arg[1] = 0;
  k.out[0] = 1;
  operand in = {x, PONS_FLOAT32, 1, &n, &one}, out = {x, PONS_FLOAT32, 1, &n, &one};
  for (float *y = room; y < room + 2; y++) {
    out.data = y;
    cpu_run_kernel(&k, &in, &out);
    for (int64_t i = 0; i < n; i++)
      if (y[i] != 2 * (float)i) fail_msg("element %lld is %g", (long long)i, (double)y[i]);
  }
  out.data = x;
  cpu_run_kernel(&k, &in, &out);
  assert_memory_equal(x, room + 1, (size_t)n * sizeof *x);
  free(x);
  free(room);
}

/* x + x and (x + x) x: the first is read again, and is a result. */
static void results_that_outgrow_the_cache_are_read_again(void **unused) {
  (void)unused;
  int64_t n = 6500000, one = 1;
  const size_t bytes = (size_t)n * sizeof(float);
  float *x = aligned_alloc(64, bytes), *y = aligned_alloc(64, bytes), *z = aligned_alloc(64, bytes);
  assert_true(x && y && z);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(i % 1000);
  kernel k = one_instruction(ROW_add, PONS_FLOAT32, PONS_FLOAT32);
  k.n_in = 1;
  k.code[0].arg[1] = 0;
  k.code[1] = k.code[0];
  k.code[1].row = ROW_multiply;
  k.code[1].arg[0] = 1;
  k.n_code = k.n_out = 2;
  k.out[0] = 1, k.out[1] = 2;
  operand in = {x, PONS_FLOAT32, 1, &n, &one}, out[2] = {{y, PONS_FLOAT32, 1, &n, &one}, {z, PONS_FLOAT32, 1, &n, &one}};
  cpu_run_kernel(&k, &in, out);
  for (int64_t i = 0; i < n; i++)
    if (y[i] != 2 * x[i] || z[i] != 2 * x[i] * x[i]) fail_msg("element %lld is %g and %g", (long long)i, (double)y[i], (double)z[i]);
  free(x);
  free(y);
  free(z);
}

static void huge_angles_are_right_beside_small_ones(void **unused) {
  (void)unused;
  float x[7] = {1e30f, 0.5f, -3e38f, 1e9f, INFINITY, NAN, 2.6e8f}, y[7];
  int64_t n = 7, one = 1;
  kernel k = one_instruction(ROW_sin, PONS_FLOAT32, PONS_FLOAT32);
  operand in = {x, PONS_FLOAT32, 1, &n, &one}, out = {y, PONS_FLOAT32, 1, &n, &one};
  cpu_run_kernel(&k, &in, &out);
  for (int i = 0; i < 7; i++) assert_true(isfinite(x[i]) ? fabs(y[i] - sin(x[i])) < 1e-6 : isnan(y[i]));
  out.data = x;
  cpu_run_kernel(&k, &in, &out);
  assert_memory_equal(x, y, 3 * sizeof *x);
}

int main(void) {
  state = seed_of_run(0);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_agree_with_the_interpreter),
      cmocka_unit_test(casts_agree_with_the_interpreter),
      cmocka_unit_test(copies_of_any_layout),
      cmocka_unit_test(chains_agree_with_the_interpreter),
      cmocka_unit_test(pairs_are_rounded_one_by_one),
      cmocka_unit_test(results_do_not_depend_on_threads),
      cmocka_unit_test(an_empty_kernel_touches_nothing),
      cmocka_unit_test(results_that_outgrow_the_cache),
      cmocka_unit_test(results_that_outgrow_the_cache_are_read_again),
      cmocka_unit_test(huge_angles_are_right_beside_small_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
