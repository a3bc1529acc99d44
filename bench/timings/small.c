/* small.c: what the library itself costs, beside the work: nodes, plans, calls. Arrays are tiny, so that
   nothing else counts. */
#include "timings.h"

enum { NODES = 10000, STEPS = 200 };

static bool tiny_matrix(void) {
  remember(0, pons_random_uniform(pons_float(-0.5), pons_float(0.5), PONS_SHAPE(4, 4), PONS_FLOAT32,
                                  pons_random_key(1)));
  return pons_ok();
}

/* ---- nodes: made and freed, not computed ---- */

static double make_nodes(int runs) {
  double start = seconds_now();
  for (int run = 0; run < runs; run++) {
    pons_scope s = pons_scope_open();
    pons_array x = remembered(0);
    for (int i = 0; i < NODES; i++) x = pons_add(x, remembered(0));
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

/* ---- graphs of 10,000 nodes: only the evaluation counts ---- */

static pons_array wave(pons_array x) { /* four nodes that become part of one kernel */
  return pons_add(pons_tanh(pons_multiply(x, remembered(0))), pons_sin(x));
}

static pons_array product(pons_array x) { return pons_matmul(x, remembered(0)); } /* each a call of its own */

static double eval_chain(pons_array (*link)(pons_array), int links, int runs) {
  double seconds = 0;
  for (int run = 0; run < runs && pons_ok(); run++) {
    pons_scope s = pons_scope_open();
    pons_array x = remembered(0);
    for (int i = 0; i < links; i++) x = link(x);
    double start = seconds_now();
    pons_eval(x);
    seconds += seconds_now() - start;
    pons_scope_close(s);
  }
  return seconds;
}

static double eval_waves(int runs) { return eval_chain(wave, NODES / 4, runs); }
static double eval_products(int runs) { return eval_chain(product, NODES, runs); }

/* ---- one small op, from call to value ---- */

static double one_op(int runs) {
  double start = seconds_now();
  for (int run = 0; run < runs; run++) {
    pons_scope s = pons_scope_open();
    pons_eval(pons_add(remembered(0), remembered(0)));
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

/* ---- a kept plan, per step ---- */

static void many_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = in[0];
  for (int i = 0; i < STEPS; i++) *out = pons_matmul(*out, in[0]);
}

static void kernels_and_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = in[0];
  for (int i = 0; i < STEPS / 2; i++) *out = pons_tanh(pons_matmul(*out, in[0]));
}

static bool prepare_products(void) {
  remember_function(compiled(many_products));
  return tiny_matrix() && remembered_function();
}

static bool prepare_mixed(void) {
  remember_function(compiled(kernels_and_products));
  return tiny_matrix() && remembered_function();
}

static double replay(int runs) { return time_calls(1, runs); }

/* On the device that accepts everything and does nothing: the plan alone. */
static double replay_nothing(int runs) {
  const char *before = pons_default_device();
  pons_set_default_device("null");
  double seconds = time_calls(1, runs);
  pons_set_default_device(before);
  return seconds;
}

const timing small_timings[] = {
    {"node, made and freed", "ns", 1e9 / NODES, false, tiny_matrix, make_nodes, NULL},
    {"one small op, called and computed", "ns", 1e9, false, tiny_matrix, one_op, NULL},
    {"eval, 10,000 elementwise nodes", "ms", 1e3, false, tiny_matrix, eval_waves, NULL},
    {"eval, 10,000 products (4, 4)", "ms", 1e3, false, tiny_matrix, eval_products, NULL},
    {"plan replay, null device, per call", "ns", 1e9 / STEPS, false, prepare_products, replay_nothing, NULL},
    {"plan replay, null device, per kernel or call", "ns", 1e9 / STEPS, false, prepare_mixed, replay_nothing,
     NULL},
    {"plan replay, (4, 4), per kernel or call", "ns", 1e9 / STEPS, false, prepare_mixed, replay, NULL},
    {0}};
