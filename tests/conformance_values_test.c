/* conformance_values_test.c: every case in every dtype gives the same whether its inputs are views or
   row-major copies, and, for floats, what float64 gives on the same inputs, to the dtype's precision. */
#include "conformance_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void compare(const conformance_case *c, pons_dtype d, const char *what, pons_array a, pons_array b,
                    double slack) {
  if (pons_ndim(a) != pons_ndim(b) || pons_size(a) != pons_size(b))
    fail_msg("%s: %s: shapes differ", c->name, what);
  a = conformance_parts(a), b = conformance_parts(b);
  pons_array wide[2] = {pons_astype(a, PONS_FLOAT64), pons_astype(b, PONS_FLOAT64)};
  const double *x = pons_data(wide[0]), *y = pons_data(wide[1]);
  if (!pons_ok()) fail_msg("%s [%s]: %s: %s", c->name, pons_dtype_name(d), what, pons_error());
  for (int64_t i = 0; i < pons_size(wide[0]); i++) {
    const bool same = x[i] == y[i] || (isnan(x[i]) && isnan(y[i]));
    if (!same && !(fabs(x[i] - y[i]) <= slack * (1 + fabs(y[i]))))
      fail_msg("%s [%s]: %s: element %lld is %.9g, not %.9g", c->name, pons_dtype_name(d), what, (long long)i,
               x[i], y[i]);
  }
}

/* A copy that lies row-major in memory of its own. */
static pons_array copied(pons_array x) {
  return pons_array_from(pons_data(pons_contiguous(x)), pons_shape_of(x), pons_dtype_of(x));
}

static bool is_float(pons_dtype d) {
  return d == PONS_FLOAT16 || d == PONS_FLOAT32 || d == PONS_FLOAT64 || d == PONS_BFLOAT16;
}

static void each_dtype(void (*judge)(const conformance_case *, pons_dtype, const pons_array *)) {
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      if (!conformance_takes(c, (pons_dtype)d)) continue;
      const pons_scope s = pons_scope_open();
      pons_array in[CASE_MAX_INPUTS];
      conformance_inputs(c, (pons_dtype)d, (uint64_t)(1000 + i), in);
      judge(c, (pons_dtype)d, in);
      pons_scope_close(s);
    }
  }
}

static void judge_layout(const conformance_case *c, pons_dtype d, const pons_array *in) {
  pons_array plain[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS], again[CASE_MAX_OUTPUTS];
  for (int i = 0; i < c->n_in; i++) plain[i] = copied(in[i]);
  c->build(in, out);
  c->build(plain, again);
  for (int k = 0; k < c->n_out; k++)
    compare(c, d, "views", out[k], again[k], conformance_tolerance(pons_dtype_of(out[k])) / 10);
}

static void views_give_what_copies_give(void **state) {
  (void)state;
  each_dtype(judge_layout);
}

/* Where derivatives exist nothing jumps: a rounding stays one. */
static void judge_precision(const conformance_case *c, pons_dtype d, const pons_array *in) {
  if (!is_float(d) || d == PONS_FLOAT64 || !c->smooth || !conformance_takes(c, PONS_FLOAT64)) return;
  pons_array wide[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS], exact[CASE_MAX_OUTPUTS];
  for (int i = 0; i < c->n_in; i++)
    wide[i] = c->in[i].dtype == CASE_TYPE ? pons_astype(in[i], PONS_FLOAT64) : in[i];
  pons_eval_many(wide, c->n_in); /* rounded inputs, held exactly */
  c->build(in, out);
  c->build(wide, exact);
  for (int k = 0; k < c->n_out; k++) compare(c, d, "precision", out[k], exact[k], 2 * conformance_tolerance(d));
}

static void narrow_floats_give_what_float64_gives(void **state) {
  (void)state;
  each_dtype(judge_precision);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(views_give_what_copies_give),
                                     cmocka_unit_test(narrow_floats_give_what_float64_gives)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
