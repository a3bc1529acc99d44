/* decomposition_test.c: wherever the CPU has an implementation of a primitive that is also defined by simpler
   ops, both give the same: on the operands it meets in every case of conformance_cases.h, in every dtype; and
   its gradient rule gives what the definition's gradient is. */
#include "conformance_cases.h"
#include "graph/graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>

enum { MOST_RESULTS = 16, MOST_OPERANDS = 16 };

static bool is_judged(const prim *p) { return p->decompose && device_knows(device_default(), p->name); }

/* Slots by the primitive's place in pons_prims. */
static bool met[512], met_gradient[512];
static int place_of(const prim *p) {
  int i = 0;
  while (pons_prims[i] && pons_prims[i] != p) i++;
  assert_true(i < 512);
  return i;
}

static double tolerance(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT16: return 4e-3;
    case PONS_BFLOAT16: return 3e-2;
    case PONS_FLOAT64:
    case PONS_COMPLEX128: return 1e-11;
    default: return d == PONS_FLOAT32 || d == PONS_COMPLEX64 ? 2e-5 : 0;
  }
}

typedef struct place { /* for messages */
  const conformance_case *c;
  pons_dtype dtype;
  const prim *prim;
  const char *what;
} place;

static void compare(const place *at, pons_array fast, pons_array plain) {
  const pons_dtype d = pons_dtype_of(fast);
  if (d != pons_dtype_of(plain) || !shape_equal(fast->ndim, fast->shape, plain->ndim, plain->shape))
    fail_msg("%s [%s]: %s of %s: %s, by definition %s", at->c->name, pons_dtype_name(at->dtype), at->what,
             at->prim->name, node_text(fast), node_text(plain));
  fast = conformance_parts(fast), plain = conformance_parts(plain);
  pons_array wide[2] = {pons_astype(fast, PONS_FLOAT64), pons_astype(plain, PONS_FLOAT64)};
  const double *x = pons_data(wide[0]), *y = pons_data(wide[1]);
  if (!pons_ok())
    fail_msg("%s [%s]: %s of %s: %s", at->c->name, pons_dtype_name(at->dtype), at->what, at->prim->name,
             pons_error());
  for (int64_t i = 0; i < pons_size(wide[0]); i++) {
    if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
    if (!(fabs(x[i] - y[i]) <= tolerance(d) * (1 + fabs(y[i]))))
      fail_msg("%s [%s]: %s of %s: element %lld is %.9g, by definition %.9g", at->c->name,
               pons_dtype_name(at->dtype), at->what, at->prim->name, (long long)i, x[i], y[i]);
  }
}

/* ---- the two ways, as functions ---- */

typedef struct way {
  const node *n;
} way;

static void by_primitive(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const node *n = ((way *)payload)->n;
  if (n_out > 1) node_make_many(n->prim, n->params, n_in, in, out, n_out);
  else out[0] = node_make(n->prim, n->params, n_in, in);
}

static void by_definition(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const node *n = ((way *)payload)->n;
  (void)n_out;
  n->prim->decompose(n->params, n_in, in, out);
}

static void judge_values(const place *at, const node *n, node *const *in) {
  pons_array fast[MOST_RESULTS], plain[MOST_RESULTS];
  way w = {n};
  by_primitive(&w, in, n->n_in, fast, n->n_out);
  by_definition(&w, in, n->n_in, plain, n->n_out);
  for (int k = 0; k < n->n_out; k++) compare(at, fast[k], plain[k]);
  met[place_of(n->prim)] = true;
}

static bool has_gradient(const node *n, node *const *in) {
  bool some = false;
  for (int i = 0; i < n->n_in; i++) some |= dtype_is_inexact((pons_dtype)in[i]->dtype);
  return some && n->prim->vjp && !n->prim->no_gradient;
}

static void gradients(const node *n, node *const *in, pons_callback way_of, pons_array *grads) {
  pons_array out[MOST_RESULTS], cotangents[MOST_RESULTS];
  way w = {n};
  pons_function f = pons_function_new(way_of, n->n_out, &w, NULL);
  way_of(&w, in, n->n_in, out, n->n_out);
  for (int k = 0; k < n->n_out; k++) { /* 1, 2, 3, 1, 2, ...: the same for both ways */
    pons_array count = pons_arange(0, (double)pons_size(out[k]), 1, PONS_FLOAT32);
    count = pons_add(pons_remainder(count, pons_float(3)), pons_float(1));
    cotangents[k] = pons_reshape(pons_astype(count, pons_dtype_of(out[k])), pons_shape_of(out[k]));
  }
  pons_vjp(f, in, n->n_in, cotangents, n->n_out, out, grads);
  pons_function_release(f);
}

/* A number of the op's own, like the weight of a norm that has none: nobody asks for its gradient. */
static bool is_constant(const node *x) { return x->ndim == 0 && x->n_in == 0; }

static void judge_gradients(const place *at, const node *n, node *const *in) {
  bool constant[MOST_OPERANDS];
  if (!has_gradient(n, in) || n->n_in > MOST_OPERANDS) return;
  pons_array fast[MOST_OPERANDS], plain[MOST_OPERANDS];
  for (int i = 0; i < n->n_in; i++) constant[i] = is_constant(in[i]);
  gradients(n, in, by_primitive, fast);
  gradients(n, in, by_definition, plain);
  for (int i = 0; i < n->n_in; i++)
    if (!constant[i] && dtype_is_inexact((pons_dtype)in[i]->dtype)) compare(at, fast[i], plain[i]);
  met_gradient[place_of(n->prim)] = true;
}

static void judge_case(const conformance_case *c, pons_dtype d, uint64_t seed) {
  pons_array in[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS];
  conformance_inputs(c, d, seed, in);
  c->build(in, out);
  tape t;
  assert_true(tape_walk(&t, out, c->n_out, in, c->n_in));
  for (int64_t i = 0; i < t.count; i++) {
    const tape_item *item = &t.at[i];
    if (!item->n_in || !item->node->prim || !is_judged(item->node->prim) || item->node->n_out > MOST_RESULTS)
      continue;
    place at = {c, d, item->node->prim, "value"};
    judge_values(&at, item->node, item->in);
    at.what = "gradient";
    if (d == PONS_FLOAT32 || d == PONS_FLOAT64) judge_gradients(&at, item->node, item->in);
  }
  tape_free(&t);
}

static void implementations_agree_with_definitions(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      if (!conformance_takes(c, (pons_dtype)d)) continue;
      const pons_scope s = pons_scope_open();
      judge_case(c, (pons_dtype)d, (uint64_t)(500 + i));
      pons_scope_close(s);
    }
  }
  bool missing = false;
  for (int i = 0; pons_prims[i]; i++) {
    if (!is_judged(pons_prims[i])) continue;
    print_message("%-24s %s\n", pons_prims[i]->name,
                  !met[i] ? "NOT MET" : met_gradient[i] ? "values, gradients" : "values");
    missing |= !met[i];
  }
  assert_false(missing);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(implementations_agree_with_definitions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
