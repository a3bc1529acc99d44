/* repeated.h: functions and evals that are run again, for tests of doubles of GPUs whose backends make such launches together: what they
   are, and what comes out. Part of a test of a process.h, which has CHECK. */
#ifndef DOUBLES_REPEATED_H
#define DOUBLES_REPEATED_H
#include <pons/linalg.h>
#include <pons/ops.h>
#include <pons/pons.h>

/* ---- a function of four launches: a chain, a sum in two, a chain ---- */

static inline void centred(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array twice = pons_multiply(in[0], pons_float(2));
  out[0] = pons_subtract(twice, pons_sum(pons_add(twice, pons_float(1))));
}

static inline pons_function compiled(pons_callback callback) {
  pons_function plain = pons_function_new(callback, 1, NULL, NULL), f = pons_compile(plain);
  pons_function_release(plain);
  CHECK(f);
  return f;
}

static inline pons_array ramp(int n, double from) { return pons_arange(from, from + n, 1, PONS_FLOAT32); }

static inline double centred_at(int i, int n, double from) {
  return 2 * (from + i) - (2 * (n * from + n * (n - 1) / 2) + n);
}

/* Is it right on n elements from `from`, in memory of their own or, with `skip`, some behind its start? */
static inline void expect_centred(pons_function f, int n, double from, int skip) {
  const pons_scope s = pons_scope_open();
  pons_array x = ramp(n + skip, from - skip);
  CHECK(pons_eval(x));
  if (skip) x = pons_slice(x, PONS_SHAPE(skip), PONS_SHAPE(n + skip), PONS_SCALAR);
  CHECK(pons_eval(x)); /* else so small a function would be planned with it */
  const float *y = pons_data(pons_apply(f, x));
  CHECK(y);
  for (int i = 0; i < n; i++) CHECK(y[i] == (float)centred_at(i, n, from));
  pons_scope_close(s);
}

enum { LINKS = 160 };
static inline void chain_of_greatest(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = in[0];
  for (int i = 0; i < LINKS; i++)
    out[0] = pons_max(pons_add(out[0], in[0]), .axes = PONS_AXES(0), .keepdims = true);
}

/* ---- library calls, two inputs of one array, indices ---- */

static inline void product_and_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_add(pons_matmul(pons_add(in[0], pons_float(1)), in[1]), in[0]);
}

static inline void taken_twice(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array x = pons_take(in[0], in[1], 0);
  out[0] = pons_sort(pons_multiply(x, pons_float(2)), 0);
}

/* in: a cache, what is put into it, where. The doubled cache is nobody else's: it is written over. */
static inline void put_and_read(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array cache = pons_slice_update_dynamic(pons_multiply(in[0], pons_float(2)), in[1], in[2], PONS_AXES(0));
  out[0] = pons_negative(pons_slice_dynamic(cache, in[2], PONS_AXES(0), PONS_SHAPE(3)));
}

static inline void eigenvalues(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_real(pons_sum(pons_linalg_eigvals(pons_multiply(in[0], pons_float(2)))));
}

/* ---- temporaries that are held ---- */

/* With a temporary that is kept, for it is not as easily made again as read. */
static inline void around_the_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array sine = pons_sin(in[0]);
  out[0] = pons_subtract(sine, pons_sum(pons_add(sine, pons_float(1))));
}

/* Of what is there already: else so small a function would be planned with it. */
static inline const float *around_the_sum_of_zeros(pons_function f, int n) {
  pons_array zeros = pons_zeros(PONS_SHAPE(n), PONS_FLOAT32);
  return pons_eval(zeros) ? pons_data(pons_apply(f, zeros)) : NULL;
}

/* ---- a token of a small model: lines are sorted and negated in turn, and their first elements put into an array that grows ---- */

enum { TOKEN = 8, ROUNDS = 16, CACHE_LENGTH = 64, TOKEN_STEPS = 2 * ROUNDS + 3 };

static inline int in_order(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

typedef struct model {
  pons_array cache; /* kept */
  float expected[CACHE_LENGTH];
} model;

static inline void start(model *m) {
  const pons_scope s = pons_scope_open();
  m->cache = pons_keep(pons_zeros(PONS_SHAPE(CACHE_LENGTH), PONS_FLOAT32));
  CHECK(pons_eval(m->cache));
  memset(m->expected, 0, sizeof m->expected);
  pons_scope_close(s);
}

/* The result, a new array, and in m->cache what it was with element i set. The old one is let go of, if it is not held. */
static inline pons_array token(model *m, int i, const float *x) {
  pons_array y = pons_array_from(x, PONS_SHAPE(TOKEN), PONS_FLOAT32);
  for (int r = 0; r < ROUNDS; r++) y = pons_negative(pons_sort(y, 0));
  pons_array first = pons_slice(y, PONS_SHAPE(0), PONS_SHAPE(1), PONS_SHAPE(1));
  pons_array cache = pons_keep(pons_slice_update(m->cache, first, PONS_SHAPE(i), PONS_SHAPE(i + 1), PONS_SHAPE(1)));
  pons_release(m->cache);
  m->cache = cache;
  return pons_add(y, pons_sum(cache));
}

static inline void expect_token(model *m, int i, const float *x, pons_array result) {
  float y[TOKEN], sum = 0;
  memcpy(y, x, sizeof y);
  for (int r = 0; r < ROUNDS; r++) {
    qsort(y, TOKEN, sizeof *y, in_order);
    for (int k = 0; k < TOKEN; k++) y[k] = -y[k];
  }
  m->expected[i] = y[0];
  for (int k = 0; k <= i; k++) sum += m->expected[k];
  const float *found = pons_data(result);
  CHECK(found);
  for (int k = 0; k < TOKEN; k++) CHECK(found[k] == y[k] + sum);
}

static inline void fill(float *x, int i) {
  for (int k = 0; k < TOKEN; k++) x[k] = (float)((k * 5 + i * 3) % 11 - 4);
}
#endif
