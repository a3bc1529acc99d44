/* linear.c: the linear layer and the convolution layer: a weight, a bias. */
#include "parameters.h"
#include <math.h>

static pons_array uniform(pons_shape shape, double bound, pons_array key) {
  return pons_init_uniform(shape, -bound, bound, key);
}

/* Weight and bias of a linear layer, uniform in +-bound, each from a key of its own. */
static bool add_both(pons_named p, const char *prefix, pons_shape weight, bool bias, double bound,
                     pons_array key) {
  pons_scope s = pons_scope_open();
  pons_array keys[2] = {NULL, NULL}, pair = key ? pons_random_split(key, 2) : NULL;
  for (int i = 0; pair && i < 2; i++) keys[i] = pons_index(pair, i, 0);
  bool fine = parameter_add(p, prefix, "weight", uniform(weight, bound, keys[0]));
  if (bias)
    fine = fine && parameter_add(p, prefix, "bias", uniform(PONS_SHAPE(weight.at[0]), bound, keys[1]));
  pons_scope_close(s);
  return fine;
}

bool pons_linear_init(pons_named p, const char *prefix, int64_t in, int64_t out, bool bias, pons_array key) {
  return add_both(p, prefix, PONS_SHAPE(out, in), bias, 1 / sqrt((double)in), key);
}

pons_array pons_linear(pons_named p, const char *prefix, pons_array x) {
  pons_scope s = pons_scope_open();
  pons_array weight = pons_transpose(parameter(p, prefix, "weight")),
             bias = parameter_if_any(p, prefix, "bias");
  return pons_scope_return(s, bias ? pons_addmm(bias, x, weight, 1, 1) : pons_matmul(x, weight));
}

bool pons_conv_init_with(struct pons_conv_init_args a) {
  const int groups = a.groups ? a.groups : 1;
  int64_t shape[5] = {a.out};
  if (a.size.count < 1 || a.size.count > 3) {
    pons_fail("conv_init", "the kernel has %d spatial axes; 1 to 3 are possible", a.size.count);
    return false;
  }
  if (groups < 1 || a.in % groups || a.out % groups) {
    pons_fail("conv_init", "%d groups do not divide %lld inputs and %lld outputs", groups, (long long)a.in,
              (long long)a.out);
    return false;
  }
  double fan = (double)(a.in / groups);
  for (int i = 0; i < a.size.count; i++) {
    shape[1 + i] = a.size.at[i];
    fan *= (double)a.size.at[i];
  }
  shape[1 + a.size.count] = a.in / groups;
  pons_scope s = pons_scope_open();
  pons_array weight = uniform((pons_shape){a.size.count + 2, shape}, 1 / sqrt(fan), a.key);
  const bool fine =
      parameter_add(a.p, a.prefix, "weight", weight) &&
      (a.no_bias || parameter_add(a.p, a.prefix, "bias", pons_zeros(PONS_SHAPE(a.out), PONS_FLOAT32)));
  pons_scope_close(s);
  return fine;
}

pons_array pons_conv_layer_with(pons_named p, const char *prefix, struct pons_conv_args args) {
  pons_scope s = pons_scope_open();
  args.weight = parameter(p, prefix, "weight");
  pons_array y = pons_conv_general_with(args), bias = parameter_if_any(p, prefix, "bias");
  return pons_scope_return(s, bias ? pons_add(y, bias) : y);
}
