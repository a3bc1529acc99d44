/* conformance_vmap_test.c: vmap of every case of conformance_cases.h against a loop over slices, with one
   input mapped, another, and all of them; and vmap of the gradient. PONS_SEED sets the seed, which is
   printed. */
#include "derivatives_test.h"
#include "tests/seed.h"
#include "conformance_cases.h"

static uint64_t seed;

static void build(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  ((const conformance_case *)payload)->build(in, out);
}

static pons_dtype dtype_for(const conformance_case *c) {
  if (conformance_takes(c, PONS_FLOAT64)) return PONS_FLOAT64;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (conformance_takes(c, (pons_dtype)d)) return (pons_dtype)d;
  return PONS_FLOAT32;
}

/* Are all results of float64 or whole numbers? */
static bool gives_doubles(const conformance_case *c, const pons_array *in) {
  pons_array out[CASE_MAX_OUTPUTS];
  bool doubles = true;
  c->build(in, out);
  for (int k = 0; k < c->n_out; k++) {
    const pons_dtype d = pons_dtype_of(out[k]);
    doubles &= d != PONS_FLOAT32 && d != PONS_COMPLEX64;
  }
  return doubles;
}

static subject subject_of(const conformance_case *c, pons_dtype d) {
  subject s = {.name = c->name, .n_in = c->n_in, .n_out = c->n_out};
  conformance_inputs(c, d, (uint64_t)draw(&seed, 0, 1e9), s.in);
  for (int i = 0; i < c->n_in; i++) s.fixed[i] = c->in[i].dtype != CASE_TYPE || d != PONS_FLOAT64;
  if (conformance_is_complex(d) || !gives_doubles(c, s.in)) s.tolerance = 1e-6; /* sums in another order */
  s.f = pons_function_new(build, c->n_out, (void *)c, NULL);
  return s;
}

static void batches_agree_with_a_loop(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    if (!c->n_in) continue;
    const pons_scope scope = pons_scope_open();
    const subject s = subject_of(c, dtype_for(c));
    const unsigned all = (1u << s.n_in) - 1;
    for (unsigned mask = 1; mask <= all; mask++)
      if (mask == all || !(mask & (mask - 1))) judge_batch(&s, &seed, mask); /* each alone, and all */
    pons_function_release(s.f);
    pons_scope_close(scope);
  }
}

static void batches_of_gradients_agree_with_a_loop(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    if (!c->n_in || !c->smooth || !conformance_takes(c, PONS_FLOAT64)) continue;
    const pons_scope scope = pons_scope_open();
    const subject s = subject_of(c, PONS_FLOAT64);
    judge_batch_of_gradient(&s, &seed);
    pons_function_release(s.f);
    pons_scope_close(scope);
  }
}

int main(void) {
  seed = seed_of_run(20260131);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batches_agree_with_a_loop),
      cmocka_unit_test(batches_of_gradients_agree_with_a_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
