/* conformance_gradient_test.c: derivatives of every case of conformance_cases.h: gradient and tangent against
   differences in float64, and those of the gradient too. PONS_SEED sets the seed, which is printed. */
#include "derivatives_test.h"
#include "conformance_cases.h"

static uint64_t seed;

static void build(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  ((const conformance_case *)payload)->build(in, out);
}

/* False: nothing of it has a gradient. */
static bool subject_of(const conformance_case *c, subject *s) {
  if (!conformance_has_derivatives(c)) return false;
  *s = (subject){.name = c->name, .n_in = c->n_in, .n_out = c->n_out};
  conformance_inputs(c, PONS_FLOAT64, (uint64_t)draw(&seed, 0, 1e9), s->in);
  for (int i = 0; i < c->n_in; i++) s->fixed[i] = c->in[i].dtype != CASE_TYPE;
  s->f = pons_function_new(build, c->n_out, (void *)c, NULL);
  return true;
}

static bool judge_case(const conformance_case *c, void (*judge)(const subject *, uint64_t *)) {
  const pons_scope scope = pons_scope_open();
  subject s;
  const bool judged = subject_of(c, &s);
  if (judged) {
    judge(&s, &seed);
    pons_function_release(s.f);
  }
  pons_scope_close(scope);
  return judged;
}

static void derivatives_agree_with_differences(void **state) {
  (void)state;
  int judged = 0;
  for (int i = 0; i < conformance_count(); i++) judged += judge_case(conformance_at(i), judge_first);
  print_message("%d of %d cases have derivatives\n", judged, conformance_count());
  assert_true(judged > conformance_count() / 3);
}

static void derivatives_of_gradients_agree_with_differences(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) judge_case(conformance_at(i), judge_second);
}

int main(void) {
  const char *given = getenv("PONS_SEED");
  seed = given ? strtoull(given, NULL, 10) : 20260131;
  print_message("PONS_SEED=%llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(derivatives_agree_with_differences),
      cmocka_unit_test(derivatives_of_gradients_agree_with_differences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
