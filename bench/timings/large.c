/* large.c: throughput. A fused chain stands beside a plain copy of the same bytes: both read and write each
   byte once. */
#include "timings.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT = 10000000, SIDE = 1024 };

static pons_array uniform(pons_shape shape, uint64_t seed) {
  return pons_random_uniform(pons_float(-1), pons_float(1), shape, PONS_FLOAT32, pons_random_key(seed));
}

/* ---- memory ---- */

static float *from, *to;

static bool prepare_copy(void) {
  from = malloc(COUNT * sizeof *from);
  to = malloc(COUNT * sizeof *to);
  if (from) memset(from, 1, COUNT * sizeof *from);
  if (to) memset(to, 1, COUNT * sizeof *to);
  return from && to;
}

static double copy(int runs) {
  double start = seconds_now();
  for (int i = 0; i < runs; i++) {
    from[i % COUNT] = (float)i; /* so that no copy can be left out */
    memcpy(to, from, COUNT * sizeof *to);
  }
  return seconds_now() - start;
}

static void finish_copy(void) {
  free(from);
  free(to);
}

static void light_chain(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array x = pons_add(pons_multiply(in[0], pons_float(2)), pons_float(1));
  x = pons_maximum(x, pons_float(0));
  *out = pons_subtract(pons_multiply(x, x), pons_abs(in[0]));
}

static void heavy_chain(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out =
      pons_multiply(pons_tanh(pons_add(pons_multiply(in[0], pons_float(2)), pons_float(1))), pons_exp(in[0]));
}

static void total(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_sum(in[0]);
}

static void by_rows(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_softmax(in[0]);
}

static bool prepare_vector(pons_callback callback) {
  remember(0, uniform(PONS_SHAPE(COUNT), 1));
  remember_function(compiled(callback));
  return pons_ok() && remembered_function();
}

static bool prepare_light(void) { return prepare_vector(light_chain); }
static bool prepare_heavy(void) { return prepare_vector(heavy_chain); }
static bool prepare_total(void) { return prepare_vector(total); }

static bool prepare_rows(void) {
  remember(0, uniform(PONS_SHAPE(4096, 1024), 1));
  remember_function(compiled(by_rows));
  return pons_ok() && remembered_function();
}

static double call_one(int runs) { return time_calls(1, runs); }
static double call_two(int runs) { return time_calls(2, runs); }

/* The same chain, built anew and evaluated each time. */
static double light_eval(int runs) {
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pons_scope s = pons_scope_open();
    pons_array in = remembered(0), y;
    light_chain(NULL, &in, 1, &y, 1);
    pons_eval(y);
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

/* ---- arithmetic ---- */

static void product(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_matmul(in[0], in[1]);
}

static void convolution(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_conv2d(in[0], .weight = in[1], .padding = PONS_AXES(1));
}

static bool prepare_product(void) {
  remember(0, uniform(PONS_SHAPE(SIDE, SIDE), 1));
  remember(1, uniform(PONS_SHAPE(SIDE, SIDE), 2));
  remember_function(compiled(product));
  return pons_ok() && remembered_function();
}

enum { IMAGES = 16, PIXELS = 32, IN = 32, OUT = 64 };

static bool prepare_convolution(void) {
  remember(0, uniform(PONS_SHAPE(IMAGES, PIXELS, PIXELS, IN), 1));
  remember(1, uniform(PONS_SHAPE(OUT, 3, 3, IN), 2));
  remember_function(compiled(convolution));
  return pons_ok() && remembered_function();
}

#define GFLOP_OF_CONVOLUTION (2e-9 * IMAGES * PIXELS * PIXELS * OUT * 9 * IN)

const timing large_timings[] = {
    {"memcpy of 1e7 floats, one thread", "GB/s", 2e-9 * COUNT * sizeof(float), true, prepare_copy, copy,
     finish_copy},
    {"fused chain on 1e7 floats, compiled", "GB/s", 2e-9 * COUNT * sizeof(float), true, prepare_light,
     call_one, NULL},
    {"fused chain on 1e7 floats, eval", "GB/s", 2e-9 * COUNT * sizeof(float), true, prepare_light, light_eval,
     NULL},
    {"tanh and exp on 1e7 floats, compiled", "GB/s", 2e-9 * COUNT * sizeof(float), true, prepare_heavy,
     call_one, NULL},
    {"sum of 1e7 floats", "GB/s", 1e-9 * COUNT * sizeof(float), true, prepare_total, call_one, NULL},
    {"softmax of (4096, 1024) float32", "GB/s", 2e-9 * 4096 * 1024 * sizeof(float), true, prepare_rows,
     call_one, NULL},
    {"matmul 1024 float32", "GFLOP/s", 2e-9 * SIDE * SIDE * SIDE, true, prepare_product, call_two, NULL},
    {"conv2d (16, 32, 32, 32) with (64, 3, 3, 32)", "GFLOP/s", GFLOP_OF_CONVOLUTION, true,
     prepare_convolution, call_two, NULL},
    {0}};
