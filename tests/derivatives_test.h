/* derivatives_test.h: judges the transforms of a function by differences, in float64, along random
   directions.

       gradient:   <u, (f(x + h v) - f(x - h v)) / 2h>  =  <vjp(u), v>
       tangent:                                        jvp(v) agrees with the difference, element by element
       second:     the same of x -> vjp(u)             which is the gradient of a gradient, and a jvp of a vjp
       batch:      vmap(f) of stacked inputs           agrees with f of each slice

   A function of float64 arrays, some of which may be fixed (integers, masks): they are not varied. Where it
   computes in single precision on the way, the difference is that of four points: its error falls with h^4, so
   that h may be 0.01, where rounding (6e-8 / h) leaves some five digits. */
#ifndef DERIVATIVES_TEST_H
#define DERIVATIVES_TEST_H
#include "base/base.h"
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MOST_INPUTS = 10, MOST_RESULTS = 10 };

typedef struct subject {
  const char *name;
  pons_function f;
  int n_in, n_out;
  pons_array in[MOST_INPUTS];
  bool fixed[MOST_INPUTS];
  bool single;      /* computes in float32 or complex64 on the way */
  double tolerance; /* relative; 0: 1e-5, 1e-3 of a single one */
} subject;

/* ---- random numbers of the test's own ---- */

static inline double draw(uint64_t *seed, double low, double high) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return low + (high - low) * (double)(*seed >> 11) / 9007199254740992.0;
}

static inline pons_array draw_array(uint64_t *seed, pons_shape shape, double low, double high) {
  const int64_t n = shape_size(shape.count, shape.at);
  double *values = malloc((size_t)(n + 1) * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < n; i++) values[i] = draw(seed, low, high);
  pons_array a = pons_array_from(values, shape, PONS_FLOAT64);
  free(values);
  return a;
}

/* ---- steps ---- */

/* `a`: where the result stands once the call was made. */
static inline void must(const subject *s, const char *what, bool fine, const pons_array *a) {
  if (!fine) fail_msg("%s of %s: %s", what, s->name, pons_error_of(*a) ? pons_error_of(*a) : pons_error());
}

static inline double dot(pons_array a, pons_array b) { return pons_item(pons_sum(pons_multiply(a, b))); }

static inline void moved(const subject *s, const pons_array *v, double h, pons_array *in) {
  for (int i = 0; i < s->n_in; i++)
    in[i] = s->fixed[i] ? s->in[i] : pons_add(s->in[i], pons_multiply(pons_scalar(h, PONS_FLOAT64), v[i]));
}

static inline double tolerance_of(const subject *s) {
  return s->tolerance > 0 ? s->tolerance : s->single ? 1e-3 : 1e-5;
}

/* (f(x + h v) - f(x - h v)) / 2h */
static inline void difference_of_two(const subject *s, const pons_array *v, double h, pons_array *out) {
  pons_array in[MOST_INPUTS], high[MOST_RESULTS], low[MOST_RESULTS];
  moved(s, v, h, in);
  must(s, "value", pons_call(s->f, in, s->n_in, high, s->n_out), high);
  moved(s, v, -h, in);
  must(s, "value", pons_call(s->f, in, s->n_in, low, s->n_out), low);
  for (int k = 0; k < s->n_out; k++)
    out[k] = pons_divide(pons_subtract(high[k], low[k]), pons_scalar(2 * h, PONS_FLOAT64));
}

/* Of a single one with h and 2h, so that the terms of h^2 cancel. False: they are so far apart that there may be
   a kink between: one beyond h would falsify a third of that. */
static inline bool difference(const subject *s, const pons_array *v, double scale, pons_array *out) {
  const double h = 0.01, most_apart = 2 * tolerance_of(s);
  if (!s->single) {
    difference_of_two(s, v, 1e-6, out);
    return true;
  }
  bool smooth = true;
  pons_array wide[MOST_RESULTS];
  difference_of_two(s, v, h, out);
  difference_of_two(s, v, 2 * h, wide);
  for (int k = 0; k < s->n_out; k++) {
    pons_array apart = pons_divide(pons_abs(pons_subtract(out[k], wide[k])),
                                   pons_add(pons_abs(out[k]), pons_float(1 + scale)));
    smooth &= pons_size(apart) == 0 || pons_item(pons_max(apart)) < most_apart;
    out[k] = pons_divide(pons_subtract(pons_multiply(pons_float(4), out[k]), wide[k]), pons_float(3));
  }
  return smooth;
}

static inline void agree(const subject *s, const char *what, double got, double want, double scale) {
  if (fabs(got - want) <= tolerance_of(s) * (1 + fabs(want) + scale)) return;
  fail_msg("%s of %s: %.10g, by differences %.10g", what, s->name, got, want);
}

static inline void agree_arrays(const subject *s, const char *what, pons_array got, pons_array want,
                                double tolerance, double scale) {
  if (pons_ndim(got) != pons_ndim(want) || pons_size(got) != pons_size(want))
    fail_msg("%s of %s has another shape: %s, not %s", what, s->name,
             shape_text(pons_ndim(got), pons_shape_of(got).at),
             shape_text(pons_ndim(want), pons_shape_of(want).at));
  got = pons_astype(got, PONS_FLOAT64), want = pons_astype(want, PONS_FLOAT64);
  const double *a = pons_data(got), *b = pons_data(want);
  must(s, what, a != NULL, &got);
  must(s, what, b != NULL, &want);
  for (int64_t i = 0; i < pons_size(got); i++)
    if (!(fabs(a[i] - b[i]) <= tolerance * (1 + fabs(b[i]) + scale)) && !(isnan(a[i]) && isnan(b[i])) &&
        a[i] != b[i])
      fail_msg("%s of %s, element %d: %.10g, expected %.10g", what, s->name, (int)i, a[i], b[i]);
}

static inline void directions(const subject *s, uint64_t *seed, pons_array *v) {
  for (int i = 0; i < s->n_in; i++)
    v[i] = s->fixed[i] ? pons_zeros_like(s->in[i]) : draw_array(seed, pons_shape_of(s->in[i]), -1, 1);
}

/* How much of a difference may be rounding of large results, in tolerances: 2e-5 of them for steps of 0.01. */
static inline double rounding_of(const subject *s, const pons_array *y) {
  double largest = 0;
  for (int k = 0; k < s->n_out; k++)
    if (pons_size(y[k])) largest = fmax(largest, pons_item(pons_max(pons_abs(y[k]))));
  return 0.02 * largest;
}

/* ---- judgements ---- */

/* Gradient and tangent in one direction. False: there is a kink at this point, nothing was judged. */
static inline bool judge_first(const subject *s, uint64_t *seed) {
  pons_array v[MOST_INPUTS], y[MOST_RESULTS], u[MOST_RESULTS], by_difference[MOST_RESULTS], t[MOST_RESULTS],
      grads[MOST_INPUTS];
  directions(s, seed, v);
  must(s, "value", pons_call(s->f, s->in, s->n_in, y, s->n_out), y);
  for (int k = 0; k < s->n_out; k++) u[k] = draw_array(seed, pons_shape_of(y[k]), -1, 1);
  const double rounding = s->single ? rounding_of(s, y) : 0;
  if (!difference(s, v, rounding, by_difference)) return false;
  must(s, "gradient", pons_vjp(s->f, s->in, s->n_in, u, s->n_out, y, grads), grads);
  double numeric = 0, exact = 0, scale = rounding;
  for (int k = 0; k < s->n_out; k++) {
    numeric += dot(u[k], by_difference[k]);
    scale += pons_item(pons_sum(pons_abs(by_difference[k])));
  }
  for (int i = 0; i < s->n_in; i++)
    if (!s->fixed[i]) exact += dot(grads[i], v[i]);
  agree(s, "gradient", exact, numeric, scale);
  must(s, "tangent", pons_jvp(s->f, s->in, v, s->n_in, s->n_out, y, t), t);
  for (int k = 0; k < s->n_out; k++)
    agree_arrays(s, "tangent", t[k], by_difference[k], tolerance_of(s), rounding);
  return true;
}

/* x -> <u, f(x)> as a function, for gradients of it. */
typedef struct weighed {
  const subject *s;
  pons_array u[MOST_RESULTS];
} weighed;
static inline void weigh(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_out;
  const weighed *w = payload;
  pons_array y[MOST_RESULTS], sum = NULL;
  pons_call(w->s->f, in, n_in, y, w->s->n_out);
  for (int k = 0; k < w->s->n_out; k++) {
    pons_array part = pons_sum(pons_multiply(y[k], w->u[k]));
    sum = sum ? pons_add(sum, part) : part;
  }
  out[0] = sum;
}

/* x -> gradient of <u, f(x)>, as a subject. *w must live as long, and the caller releases the function.
   False: no input varies. */
static inline bool gradient_of(const subject *s, uint64_t *seed, weighed *w, subject *gradient) {
  *w = (weighed){.s = s};
  pons_array y[MOST_RESULTS];
  must(s, "value", pons_call(s->f, s->in, s->n_in, y, s->n_out), y);
  for (int k = 0; k < s->n_out; k++) w->u[k] = draw_array(seed, pons_shape_of(y[k]), -1, 1);
  int argnums[MOST_INPUTS], count = 0;
  for (int i = 0; i < s->n_in; i++)
    if (!s->fixed[i] && count < MOST_RESULTS) argnums[count++] = i;
  *gradient = *s;
  if (!count) return false;
  pons_function f = pons_function_new(weigh, 1, w, NULL);
  gradient->f = pons_grad(f, (pons_axes){count, argnums});
  pons_function_release(f);
  gradient->n_out = count;
  return true;
}

/* The gradient as a subject: both its own gradient (back over back) and its tangent (forward over back). */
static inline bool judge_second(const subject *s, uint64_t *seed) {
  weighed w;
  subject gradient;
  if (!gradient_of(s, seed, &w, &gradient)) return true;
  gradient.tolerance = 10 * tolerance_of(s);
  const bool judged = judge_first(&gradient, seed);
  pons_function_release(gradient.f);
  return judged;
}

/* vmap over `mask` (bit i: input i is mapped) of three slices, the batch along the last axis of odd
   inputs. */
static inline void judge_batch(const subject *s, uint64_t *seed, unsigned mask) {
  enum { SIZE = 3 };
  pons_array slices[SIZE][MOST_INPUTS], stacked[MOST_INPUTS], expected[MOST_RESULTS][SIZE], y[MOST_RESULTS];
  int axes[MOST_INPUTS];
  for (int i = 0; i < s->n_in; i++) {
    const bool mapped = mask >> i & 1;
    pons_array column[SIZE];
    for (int b = 0; b < SIZE; b++) {
      pons_array x = s->in[i];
      if (mapped && !s->fixed[i]) x = pons_multiply(x, pons_scalar(draw(seed, 0.9, 1), PONS_FLOAT64));
      slices[b][i] = column[b] = x;
    }
    axes[i] = !mapped ? PONS_NOT_MAPPED : i % 2 ? pons_ndim(s->in[i]) : 0;
    stacked[i] = mapped ? pons_stack(column, SIZE, axes[i]) : s->in[i];
  }
  for (int b = 0; b < SIZE; b++) {
    must(s, "value", pons_call(s->f, slices[b], s->n_in, y, s->n_out), y);
    for (int k = 0; k < s->n_out; k++) expected[k][b] = y[k];
  }
  pons_function m = pons_vmap(s->f, (pons_axes){s->n_in, axes}, (pons_axes){0, NULL});
  must(s, "batch", pons_call(m, stacked, s->n_in, y, s->n_out), y);
  for (int k = 0; k < s->n_out; k++)
    agree_arrays(s, "batch", y[k], pons_stack(expected[k], SIZE, 0), s->tolerance > 0 ? s->tolerance : 1e-10,
                 0);
  pons_function_release(m);
}

static inline void judge_batch_of_gradient(const subject *s, uint64_t *seed) {
  weighed w;
  subject gradient;
  if (!gradient_of(s, seed, &w, &gradient)) return;
  judge_batch(&gradient, seed, (1u << s->n_in) - 1);
  pons_function_release(gradient.f);
}
#endif
