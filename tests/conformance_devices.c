/* conformance_devices.c: a case on a device beside the CPU. Uses conformance_cases.h. */
#include "conformance_cases.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static bool told(char *what, size_t size, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(what, size, format, list);
  va_end(list);
  return false;
}

/* The same random numbers on both. */
static bool build_on(const char *device, const conformance_case *c, const pons_array *in, pons_array *out) {
  pons_set_default_device(device);
  pons_random_seed(7);
  c->build(in, out);
  const bool fine = pons_eval_many(out, c->n_out);
  pons_set_default_device("cpu");
  return fine;
}

/* Decompositions and other kernels round otherwise, on the way too: there is no more in a float32 that is made of halves. */
static double slack_of(pons_dtype result, pons_dtype d) {
  const double own = conformance_tolerance(result), of_case = conformance_tolerance(d);
  return own > 0 && of_case > own ? of_case : own;
}

static bool agree(pons_array got, pons_array want, pons_dtype d, char *what, size_t size) {
  const double slack = slack_of(pons_dtype_of(want), d);
  if (pons_dtype_of(got) != pons_dtype_of(want) || pons_size(got) != pons_size(want))
    return told(what, size, "another dtype or size");
  got = conformance_parts(got), want = conformance_parts(want);
  const double *x = pons_data(pons_astype(got, PONS_FLOAT64)),
               *y = pons_data(pons_astype(want, PONS_FLOAT64));
  if (!pons_ok()) return told(what, size, "%s", pons_error());
  for (int64_t i = 0; i < pons_size(want); i++) {
    const bool same =
        x[i] == y[i] || (isnan(x[i]) && isnan(y[i])) || fabs(x[i] - y[i]) <= slack * (1 + fabs(y[i]));
    if (!same) return told(what, size, "element %lld is %.9g, on the CPU %.9g", (long long)i, x[i], y[i]);
  }
  return true;
}

bool conformance_agrees(const conformance_case *c, pons_dtype d, uint64_t seed, const char *device,
                        char *what, size_t size) {
  const pons_scope s = pons_scope_open();
  pons_array in[CASE_MAX_INPUTS], got[CASE_MAX_OUTPUTS], want[CASE_MAX_OUTPUTS];
  char why[200] = "";
  conformance_inputs(c, d, seed, in);
  bool fine = build_on("cpu", c, in, want) && build_on(device, c, in, got);
  if (!fine) told(why, sizeof why, "%s", pons_error());
  int k = 0;
  for (; fine && k < c->n_out; k++) fine = agree(got[k], want[k], d, why, sizeof why);
  if (!fine) told(what, size, "%s [%s] on %s: result %d: %s", c->name, pons_dtype_name(d), device, k, why);
  pons_clear_error();
  pons_scope_close(s);
  return fine;
}
