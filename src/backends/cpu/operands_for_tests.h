/* operands_for_tests.h: operands of random layout, and runs of an implementation with several numbers of
   threads. For the tests of this folder. Uses cpu/calls.h, tests/seed.h. */
#ifndef CPU_OPERANDS_FOR_TESTS_H
#define CPU_OPERANDS_FOR_TESTS_H
#include "backends/cpu/calls.h"
#include "tests/seed.h"
#include <math.h>

static uint64_t test_seed;

__attribute__((unused)) static int choose_seed(void **state) {
  (void)state;
  test_seed = seed_of_run(0);
  return 0;
}
__attribute__((unused)) static uint64_t random_bits(void) {
  test_seed += 0x9e3779b97f4a7c15u;
  uint64_t z = test_seed;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
__attribute__((unused)) static int64_t random_int(int64_t low, int64_t high) { /* both included */
  return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1));
}

/* An operand with memory of its own, all of which is written (`guard` bytes around the elements). */
typedef struct made {
  operand op;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  char *memory;
  size_t bytes;
} made;

/* Numbers whose sums and products stay small; halves of integers, so that little is lost in float16. */
__attribute__((unused)) static double random_value(pons_dtype d) {
  switch (dtype_kind_of(d)) {
    case KIND_BOOL: return (double)random_int(0, 1);
    case KIND_UNSIGNED: return (double)random_int(0, 9);
    case KIND_SIGNED: return (double)random_int(-9, 9);
    default: return (double)random_int(-16, 16) / 8;
  }
}
static inline char *made_at(const made *m, const int64_t *index) {
  int64_t offset = 0;
  for (int d = 0; d < m->op.ndim; d++) offset += index[d] * m->strides[d];
  return (char *)m->op.data + offset * (int64_t)pons_dtype_size(m->op.dtype);
}
static inline char *made_element(const made *m, int64_t linear) {
  int64_t index[PONS_MAX_NDIM];
  for (int d = m->op.ndim - 1; d >= 0; d--) {
    index[d] = linear % m->shape[d];
    linear /= m->shape[d];
  }
  return made_at(m, index);
}
static inline double made_value(const made *m, int64_t linear) {
  return dtype_read(m->op.dtype, made_element(m, linear));
}

/* `any_layout`: axes in random order in memory, gaps, reversed axes, repeated ones; else row-major. */
__attribute__((unused)) static void make(made *m, pons_dtype d, int n, const int64_t *shape,
                                         bool any_layout) {
  int order[PONS_MAX_NDIM];
  int64_t span = 1, first = 0, size = (int64_t)pons_dtype_size(d);
  for (int i = 0; i < n; i++) order[i] = i, m->shape[i] = shape[i];
  for (int i = n - 1; i > 0 && any_layout && random_int(0, 1); i--) {
    int k = (int)random_int(0, i), t = order[i];
    order[i] = order[k];
    order[k] = t;
  }
  for (int i = n - 1; i >= 0; i--) {
    int axis = order[i];
    int64_t step = any_layout && random_int(0, 3) == 0 ? random_int(0, 3) : 1;
    m->strides[axis] = step * span;
    if (step && shape[axis]) span += m->strides[axis] * (shape[axis] - 1) + (step - 1) * span;
    if (any_layout && random_int(0, 4) == 0) {
      first += m->strides[axis] * (shape[axis] ? shape[axis] - 1 : 0);
      m->strides[axis] = -m->strides[axis];
    }
  }
  m->bytes = (size_t)((span + 1) * size);
  m->memory = malloc(m->bytes);
  assert_non_null(m->memory);
  for (int64_t i = 0; i <= span; i++) {
    dtype_write(d, m->memory + i * size, random_value(d));
    const pons_dtype part = dtype_of_parts(d);
    if (part != d) dtype_write(part, m->memory + i * size + size / 2, random_value(d));
  }
  m->op = (operand){m->memory + first * size, d, n, m->shape, m->strides};
}
/* For a result: row-major, full of rubbish, with a guard after it. */
__attribute__((unused)) static void make_out(made *m, pons_dtype d, int n, const int64_t *shape) {
  make(m, d, n, shape, false);
  memset(m->memory, 0xa5, m->bytes);
}
__attribute__((unused)) static void unmake(made *m) { free(m->memory); }

/* Shape {rows, n}: one row of x for all, and a result that outgrows the cache, `off` elements behind a cache line. */
typedef struct large {
  made row;
  operand x, out;
  int64_t shape[2], x_strides[2], out_strides[2];
  char *memory;
} large;
__attribute__((unused)) static void make_large(large *l, pons_dtype d, int64_t n, int64_t off) {
  const int64_t size = (int64_t)pons_dtype_size(d), rows = ((int64_t)25 << 20) / (n * size) + 1;
  make(&l->row, d, 1, &n, false);
  l->shape[0] = rows, l->shape[1] = n;
  l->x_strides[0] = 0, l->x_strides[1] = 1;
  l->out_strides[0] = n, l->out_strides[1] = 1;
  const size_t bytes = (size_t)((rows * n + off) * size + 64) & ~(size_t)63; /* and a guard */
  l->memory = aligned_alloc(64, bytes);
  assert_non_null(l->memory);
  memset(l->memory, 0xa5, bytes);
  l->x = (operand){l->row.op.data, d, 2, l->shape, l->x_strides};
  l->out = (operand){l->memory + off * size, d, 2, l->shape, l->out_strides};
}
/* All rows are as the first, which is to be held by the caller. */
__attribute__((unused)) static const char *large_row(const large *l) {
  const size_t bytes = (size_t)l->shape[1] * pons_dtype_size(l->out.dtype);
  const char *rows = l->out.data;
  for (int64_t r = 1; r < l->shape[0]; r++) assert_memory_equal(rows, rows + (size_t)r * bytes, bytes);
  return rows;
}
__attribute__((unused)) static void unmake_large(large *l) {
  unmake(&l->row);
  free(l->memory);
}

/* Runs with 1, 2 and 3 threads; the results must be the same bytes, and nothing after them written. */
__attribute__((unused)) static error *run_with_threads(error *(*run)(const launch *), const launch *l) {
  char *first[4] = {NULL};
  error *why = NULL;
  int before = parallel_threads();
  for (int threads = 1; threads <= 3 && !why; threads++) {
    parallel_set_threads(threads);
    why = run(l);
    for (int i = 0; i < l->n_out; i++) {
      size_t bytes = (size_t)operand_size(&l->out[i]) * pons_dtype_size(l->out[i].dtype);
      if (threads == 1) {
        first[i] = malloc(bytes + 1);
        memcpy(first[i], l->out[i].data, bytes);
      } else if (!why) {
        assert_memory_equal(first[i], l->out[i].data, bytes);
      }
      assert_int_equal(((unsigned char *)l->out[i].data)[bytes], 0xa5);
      if (threads < 3) memset(l->out[i].data, 0xa5, bytes);
    }
  }
  for (int i = 0; i < l->n_out; i++) free(first[i]);
  parallel_set_threads(before);
  return why;
}
__attribute__((unused)) static void run_well(error *(*run)(const launch *), const launch *l) {
  error *why = run_with_threads(run, l);
  if (why) fail_msg("%s", error_text(why));
}

/* Relative precision to which results of d can be compared. */
__attribute__((unused)) static double precision_of(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16: return 1e-3;
    case PONS_BFLOAT16: return 8e-3;
    case PONS_FLOAT64:
    case PONS_COMPLEX128: return 1e-13;
    case PONS_FLOAT32:
    case PONS_COMPLEX64: return 2e-6;
    default: return 0;
  }
}
/* How far apart, in units of the last place that float16 or bfloat16 has at `wanted`; what is below the least normal number has the
   unit of that. */
__attribute__((unused)) static double units_apart(pons_dtype d, double got, double wanted) {
  int exponent;
  frexp(wanted, &exponent);
  return fabs(got - wanted) / (d == PONS_FLOAT16 ? ldexp(1, exponent < -13 ? -24 : exponent - 11)
                                                 : ldexp(1, exponent < -125 ? -133 : exponent - 8));
}
__attribute__((unused)) static void check_near(double got, double wanted, double tolerance,
                                               const char *what) {
  if (isnan(wanted) ? isnan(got) : got == wanted || fabs(got - wanted) <= tolerance * (1 + fabs(wanted)))
    return;
  fail_msg("%s: %.9g, should be %.9g", what, got, wanted);
}
#endif
