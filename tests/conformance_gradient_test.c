/* conformance_gradient_test.c: derivatives of every case of conformance_cases.h: gradient and tangent against
   differences, and those of the gradient too, with real operands and with complex ones. PONS_SEED sets the seed,
   which is printed. */
#include "derivatives_test.h"
#include "tests/seed.h"
#include "conformance_cases.h"

static uint64_t seed;

/* A case run with a dtype, as a function of float64 alone: a complex operand is a + ib of two of them, complex
   results are given as their real and their imaginary parts. */
typedef struct trial {
  const conformance_case *c;
  pons_dtype dtype;
  subject s;
} trial;

static bool is_complex(pons_array a) { return conformance_is_complex(pons_dtype_of(a)); }
static bool is_varied(const trial *t, int i) { return t->c->in[i].dtype == CASE_TYPE; }

static void build(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  const trial *t = payload;
  pons_array operands[CASE_MAX_INPUTS], results[CASE_MAX_OUTPUTS];
  for (int i = 0, at = 0; i < t->c->n_in; i++) {
    operands[i] = is_varied(t, i) ? pons_astype(in[at], t->dtype) : in[at];
    at++;
    if (is_varied(t, i) && conformance_is_complex(t->dtype))
      operands[i] = pons_add(operands[i], pons_multiply(pons_complex(0, 1), pons_astype(in[at++], t->dtype)));
  }
  t->c->build(operands, results);
  for (int k = 0, at = 0; k < t->c->n_out; k++) {
    const bool complex = is_complex(results[k]);
    out[at++] = pons_astype(complex ? pons_real(results[k]) : results[k], PONS_FLOAT64);
    if (complex) out[at++] = pons_astype(pons_imag(results[k]), PONS_FLOAT64);
  }
}

static void add_input(subject *s, pons_array x, bool fixed) {
  s->in[s->n_in] = fixed ? x : pons_astype(x, PONS_FLOAT64);
  pons_eval(s->in[s->n_in]);
  s->fixed[s->n_in++] = fixed;
}

static void prepare(trial *t) {
  const conformance_case *c = t->c;
  pons_array in[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS];
  t->s = (subject){.name = c->name, .single = t->dtype == PONS_FLOAT32 || t->dtype == PONS_COMPLEX64};
  conformance_inputs(c, t->dtype, (uint64_t)draw(&seed, 0, 1e9), in);
  for (int i = 0; i < c->n_in; i++) {
    const bool complex = is_varied(t, i) && is_complex(in[i]);
    add_input(&t->s, complex ? pons_real(in[i]) : in[i], !is_varied(t, i));
    if (complex) add_input(&t->s, pons_imag(in[i]), false);
  }
  c->build(in, out);
  for (int k = 0; k < c->n_out; k++) {
    t->s.n_out += is_complex(out[k]) ? 2 : 1;
    t->s.single |= pons_dtype_of(out[k]) != PONS_FLOAT64 && pons_dtype_of(out[k]) != PONS_COMPLEX128;
  }
  t->s.f = pons_function_new(build, t->s.n_out, t, NULL);
}

enum { MOST_DRAWS = 10 }; /* of inputs, until there is no kink near them */

/* How many trials it was. */
static int judge_case(const conformance_case *c, bool (*judge)(const subject *, uint64_t *)) {
  static const pons_dtype dtypes[] = {PONS_FLOAT64, PONS_FLOAT32, PONS_COMPLEX64, PONS_COMPLEX128};
  int trials = 0;
  for (int d = 0; d < 4; d++) {
    if (!conformance_has_derivatives_in(c, dtypes[d])) continue;
    bool judged = false;
    for (int draws = 0; !judged && draws < MOST_DRAWS; draws++) {
      const pons_scope scope = pons_scope_open();
      trial t = {.c = c, .dtype = dtypes[d]};
      prepare(&t);
      judged = judge(&t.s, &seed);
      pons_function_release(t.s.f);
      pons_scope_close(scope);
    }
    if (!judged) fail_msg("%s, %s: a kink wherever it was tried", c->name, pons_dtype_name(dtypes[d]));
    trials++;
  }
  return trials;
}

static void derivatives_agree_with_differences(void **state) {
  (void)state;
  int judged = 0;
  for (int i = 0; i < conformance_count(); i++) judged += judge_case(conformance_at(i), judge_first);
  print_message("%d trials of %d cases have derivatives\n", judged, conformance_count());
  assert_true(judged > conformance_count() / 2);
}

static void derivatives_of_gradients_agree_with_differences(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) judge_case(conformance_at(i), judge_second);
}

/* ---- where rounding counts as identity ---- */

static void build_plain(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  ((const conformance_case *)payload)->build(in, out);
}
static void build_unrounded(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  conformance_unrounded(payload)(in, out);
}

/* Gradient and tangent of both. */
static void judge_alike(const subject *a, const subject *b) {
  pons_array v[MOST_INPUTS], u[MOST_RESULTS], y[2][MOST_RESULTS], t[2][MOST_RESULTS], g[2][MOST_INPUTS];
  const subject *both[2] = {a, b};
  directions(a, &seed, v);
  must(a, "value", pons_call(a->f, a->in, a->n_in, y[0], a->n_out), y[0]);
  for (int k = 0; k < a->n_out; k++) u[k] = draw_array(&seed, pons_shape_of(y[0][k]), -1, 1);
  for (int i = 0; i < 2; i++) {
    must(a, "gradient", pons_vjp(both[i]->f, a->in, a->n_in, u, a->n_out, y[i], g[i]), g[i]);
    must(a, "tangent", pons_jvp(both[i]->f, a->in, v, a->n_in, a->n_out, y[i], t[i]), t[i]);
  }
  for (int i = 0; i < a->n_in; i++)
    if (!a->fixed[i]) agree_arrays(a, "gradient", g[0][i], g[1][i], 1e-5, 0);
  for (int k = 0; k < a->n_out; k++) agree_arrays(a, "tangent", t[0][k], t[1][k], 1e-5, 0);
}

static void rounding_counts_as_identity(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    if (!conformance_unrounded(c)) continue;
    const pons_scope scope = pons_scope_open();
    subject s[2] = {{.name = c->name, .n_in = c->n_in, .n_out = c->n_out}}, gradient[2];
    conformance_inputs(c, PONS_FLOAT64, (uint64_t)draw(&seed, 0, 1e9), s[0].in);
    for (int k = 0; k < c->n_in; k++) s[0].fixed[k] = c->in[k].dtype != CASE_TYPE;
    s[1] = s[0];
    s[0].f = pons_function_new(build_plain, c->n_out, (void *)c, NULL);
    s[1].f = pons_function_new(build_unrounded, c->n_out, (void *)c, NULL);
    judge_alike(&s[0], &s[1]);
    weighed w[2];
    for (int k = 0; k < 2; k++) {
      uint64_t same = 1;
      gradient_of(&s[k], &same, &w[k], &gradient[k]);
    }
    judge_alike(&gradient[0], &gradient[1]);
    for (int k = 0; k < 2; k++) pons_function_release(s[k].f), pons_function_release(gradient[k].f);
    pons_scope_close(scope);
  }
}

int main(void) {
  seed = seed_of_run(20260131);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(derivatives_agree_with_differences),
      cmocka_unit_test(derivatives_of_gradients_agree_with_differences),
      cmocka_unit_test(rounding_counts_as_identity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
