/* norm_layers.c: layer, RMS, group and batch normalisation. */
#include "parameters.h"
#include <pons/fast.h>

static bool add_pair(pons_named p, const char *prefix, int64_t n, const char *ones, const char *zeros) {
  pons_scope s = pons_scope_open();
  bool fine = !ones || parameter_add(p, prefix, ones, pons_ones(PONS_SHAPE(n), PONS_FLOAT32));
  fine = fine && (!zeros || parameter_add(p, prefix, zeros, pons_zeros(PONS_SHAPE(n), PONS_FLOAT32)));
  pons_scope_close(s);
  return fine;
}

bool pons_layer_norm_init(pons_named p, const char *prefix, int64_t n, bool bias) {
  return add_pair(p, prefix, n, "weight", bias ? "bias" : NULL);
}

pons_array pons_layer_norm(pons_named p, const char *prefix, pons_array x, float eps) {
  return pons_fast_layer_norm(x, parameter_if_any(p, prefix, "weight"), parameter_if_any(p, prefix, "bias"),
                              eps);
}

bool pons_rms_norm_init(pons_named p, const char *prefix, int64_t n) {
  return add_pair(p, prefix, n, "weight", NULL);
}

pons_array pons_rms_norm(pons_named p, const char *prefix, pons_array x, float eps) {
  return pons_fast_rms_norm(x, parameter(p, prefix, "weight"), eps);
}

bool pons_group_norm_init(pons_named p, const char *prefix, int64_t channels) {
  return add_pair(p, prefix, channels, "weight", "bias");
}

/* (x - mean) / sqrt(variance + eps) with given statistics. */
static pons_array normalised(pons_array x, pons_array mean, pons_array variance, float eps) {
  return pons_multiply(pons_subtract(x, mean), pons_rsqrt(pons_add(variance, pons_float(eps))));
}

/* Scaled and shifted by the parameters, where there are any. */
static pons_array affine(pons_named p, const char *prefix, pons_array x) {
  pons_array weight = parameter_if_any(p, prefix, "weight"), bias = parameter_if_any(p, prefix, "bias");
  if (weight) x = pons_multiply(x, weight);
  return bias ? pons_add(x, bias) : x;
}

pons_array pons_group_norm(pons_named p, const char *prefix, pons_array x, int groups, float eps) {
  const int64_t batch = pons_dim(x, 0), channels = pons_dim(x, -1);
  if (pons_ndim(x) < 2 || groups < 1 || channels % groups)
    return pons_fail("group_norm", "%d groups do not divide the %lld channels of %d axes", groups,
                     (long long)channels, pons_ndim(x));
  pons_scope s = pons_scope_open();
  /* MLX's order: channel c belongs to group c % groups */
  pons_array g = pons_reshape(x, PONS_SHAPE(batch, -1, groups));
  const pons_axes over = PONS_AXES(1);
  pons_array y = normalised(g, pons_mean(g, .axes = over, .keepdims = true),
                            pons_variance(g, .axes = over, .keepdims = true), eps);
  return pons_scope_return(s, affine(p, prefix, pons_reshape(y, pons_shape_of(x))));
}

bool pons_batch_norm_init(pons_named p, const char *prefix, int64_t n) {
  return add_pair(p, prefix, n, "weight", "bias") && add_pair(p, prefix, n, "running_var", "running_mean");
}

/* (1 - momentum) running + momentum now */
static bool move(pons_named p, pons_named moved, const char *prefix, const char *name, pons_array now,
                 float momentum) {
  pons_array running = parameter(p, prefix, name);
  pons_array next =
      pons_add(pons_multiply(pons_float(1 - momentum), running), pons_multiply(pons_float(momentum), now));
  return parameter_add(moved, prefix, name, next);
}

pons_array pons_batch_norm(pons_named p, const char *prefix, pons_array x, bool training, float momentum,
                           float eps, pons_named moved) {
  const int axes = pons_ndim(x) - 1;
  if (axes < 1) return pons_fail("batch_norm", "x needs at least 2 axes, has %d", axes + 1);
  pons_scope s = pons_scope_open();
  pons_array mean, variance;
  if (training) {
    int over[PONS_MAX_NDIM];
    for (int i = 0; i < axes; i++) over[i] = i;
    const pons_axes list = {axes, over};
    mean = pons_mean(x, .axes = list);
    variance = pons_variance(x, .axes = list);
    const int64_t n = pons_size(x) / pons_size(mean);
    pons_array unbiased = pons_multiply(variance, pons_float((double)n / (double)(n > 1 ? n - 1 : 1)));
    if (moved && !(move(p, moved, prefix, "running_mean", mean, momentum) &&
                   move(p, moved, prefix, "running_var", unbiased, momentum)))
      return pons_scope_return(s, pons_fail("batch_norm", "the moved statistics could not be set"));
  } else {
    mean = parameter(p, prefix, "running_mean");
    variance = parameter(p, prefix, "running_var");
  }
  return pons_scope_return(s, affine(p, prefix, normalised(x, mean, variance, eps)));
}
