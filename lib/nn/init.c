/* init.c: initial values of parameters, with the fan counts of mlx.nn.init: the last axis counts inputs, the
   first outputs, what lies between multiplies both. */
#include <pons/nn.h>
#include <math.h>

pons_array pons_init_constant(pons_shape shape, double value) {
  pons_scope s = pons_scope_open();
  return pons_scope_return(s, pons_full(shape, pons_scalar(value, PONS_FLOAT32)));
}

pons_array pons_init_normal(pons_shape shape, double mean, double std, pons_array key) {
  return pons_random_normal(shape, PONS_FLOAT32, mean != 0 ? pons_float(mean) : NULL, pons_float(std), key);
}

pons_array pons_init_uniform(pons_shape shape, double low, double high, pons_array key) {
  pons_scope s = pons_scope_open();
  return pons_scope_return(s,
                           pons_random_uniform(pons_float(low), pons_float(high), shape, PONS_FLOAT32, key));
}

pons_array pons_init_identity(int64_t n) { return pons_eye(n, n, 0, PONS_FLOAT32); }

typedef struct fans {
  double in, out;
} fans;

/* false, and *bad carries the error, for shapes without two axes. */
static bool count_fans(const char *op, pons_shape shape, fans *f, pons_array *bad) {
  if (shape.count < 2) {
    *bad = pons_fail(op, "a shape of at least 2 axes is needed, got %d", shape.count);
    return false;
  }
  double between = 1;
  for (int i = 1; i < shape.count - 1; i++) between *= (double)shape.at[i];
  *f = (fans){(double)shape.at[shape.count - 1] * between, (double)shape.at[0] * between};
  return true;
}

pons_array pons_init_glorot_uniform(pons_shape shape, double gain, pons_array key) {
  fans f;
  pons_array bad = NULL;
  if (!count_fans("glorot_uniform", shape, &f, &bad)) return bad;
  const double limit = gain * sqrt(6 / (f.in + f.out));
  return pons_init_uniform(shape, -limit, limit, key);
}

pons_array pons_init_glorot_normal(pons_shape shape, double gain, pons_array key) {
  fans f;
  pons_array bad = NULL;
  if (!count_fans("glorot_normal", shape, &f, &bad)) return bad;
  return pons_init_normal(shape, 0, gain * sqrt(2 / (f.in + f.out)), key);
}

pons_array pons_init_he_uniform(pons_shape shape, bool fan_out, double gain, pons_array key) {
  fans f;
  pons_array bad = NULL;
  if (!count_fans("he_uniform", shape, &f, &bad)) return bad;
  const double limit = gain * sqrt(3 / (fan_out ? f.out : f.in));
  return pons_init_uniform(shape, -limit, limit, key);
}

pons_array pons_init_he_normal(pons_shape shape, bool fan_out, double gain, pons_array key) {
  fans f;
  pons_array bad = NULL;
  if (!count_fans("he_normal", shape, &f, &bad)) return bad;
  return pons_init_normal(shape, 0, gain / sqrt(fan_out ? f.out : f.in), key);
}
