/* conformance_failure_test.c: every allocation fails in turn while each case is built, its gradient is made
   and both are computed: there is an error or the right result, and nothing is lost. */
#include "base/base.h"
#include "conformance_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>

static void build(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  ((const conformance_case *)payload)->build(in, out);
}

/* The sum of all results as one number; NAN after an error. */
static double digest(const pons_array *out, int count) {
  if (!pons_eval_many(out, count)) return NAN;
  double sum = 0;
  for (int k = 0; k < count; k++) sum += pons_item(pons_sum(pons_astype(out[k], PONS_FLOAT32)));
  return pons_ok() ? sum : NAN;
}

static double values(const conformance_case *c, const pons_array *in) {
  pons_array out[CASE_MAX_OUTPUTS];
  c->build(in, out);
  return digest(out, c->n_out);
}

static double gradients(const conformance_case *c, const pons_array *in) {
  pons_array out[CASE_MAX_OUTPUTS], ones[CASE_MAX_OUTPUTS], grads[CASE_MAX_INPUTS];
  c->build(in, out);
  for (int k = 0; k < c->n_out; k++) ones[k] = pons_ones_like(out[k]);
  pons_function f = pons_function_new(build, c->n_out, (void *)(uintptr_t)c, NULL);
  const bool made = f && pons_vjp(f, in, c->n_in, ones, c->n_out, out, grads);
  pons_function_release(f);
  return made ? digest(grads, c->n_in) : NAN;
}

static bool same(double a, double b) {
  return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-4 * (1 + fabs(b));
}

static int64_t fail_each(const conformance_case *c, const pons_array *in, const char *what,
                         double (*work)(const conformance_case *, const pons_array *)) {
  pons_scope whole = pons_scope_open();
  const double expected = work(c, in);
  pons_scope_close(whole);
  if (!pons_ok()) fail_msg("%s: %s: %s", c->name, what, pons_error());
  for (int64_t n = 1;; n++) {
    const int64_t live = pons_live_arrays();
    const pons_scope s = pons_scope_open();
    mem_fail_at(n);
    const double got = work(c, in);
    const int64_t made = mem_fail_at(0);
    const bool ok = pons_ok();
    pons_clear_error();
    pons_scope_close(s);
    if (ok && !same(got, expected))
      fail_msg("%s: %s: %g, not %g, without allocation %lld", c->name, what, got, expected, (long long)n);
    if (pons_live_arrays() != live)
      fail_msg("%s: %s: arrays are lost without allocation %lld", c->name, what, (long long)n);
    if (made < n) return n;
  }
}

static void each_allocation_fails(void **state) {
  (void)state;
  int64_t failures = 0;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    const pons_dtype d = conformance_takes(c, PONS_FLOAT32) ? PONS_FLOAT32
                         : conformance_takes(c, PONS_INT32) ? PONS_INT32
                                                            : PONS_BOOL;
    if (!conformance_takes(c, d)) continue;
    const pons_scope s = pons_scope_open();
    pons_array in[CASE_MAX_INPUTS];
    conformance_inputs(c, d, 5, in);
    failures += fail_each(c, in, "values", values);
    if (c->smooth && d == PONS_FLOAT32) failures += fail_each(c, in, "gradients", gradients);
    pons_scope_close(s);
  }
  print_message("%lld allocations failed\n", (long long)failures);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
