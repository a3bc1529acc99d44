/* loss.c: losses, as mlx.nn.losses has them. */
#include <pons/fast.h>
#include <pons/nn.h>
#include <pons/transforms.h>

static pons_array reduced(pons_scope s, pons_array loss, pons_reduction reduction) {
  switch (reduction) {
  case PONS_REDUCE_MEAN: return pons_scope_return(s, pons_mean(loss));
  case PONS_REDUCE_SUM: return pons_scope_return(s, pons_sum(loss));
  case PONS_REDUCE_NONE: break;
  }
  return pons_scope_return(s, loss);
}

/* sum over classes of -targets * log softmax; for indices the one entry that counts */
static pons_array picked(pons_array x, pons_array targets, int axis, bool as_indices) {
  if (!as_indices) return pons_sum(pons_multiply(x, targets), .axes = PONS_AXES(axis));
  pons_array at = pons_take_along_axis(x, pons_expand_dims(targets, PONS_AXES(axis)), axis);
  return pons_squeeze(at, PONS_AXES(axis));
}

/* The loss of known classes is one primitive, where it is computed in the dtype of the logits. */
static bool is_of_known_classes(pons_array logits, pons_array targets, int axis) {
  const int last = pons_ndim(logits) - 1;
  const pons_dtype dtype = pons_dtype_of(logits), counted = pons_dtype_of(targets);
  bool fits = (axis == -1 || axis == last) && (dtype == PONS_FLOAT32 || dtype == PONS_FLOAT64) && pons_size(logits) > 0 &&
              counted >= PONS_UINT8 && counted <= PONS_INT64;
  for (int i = 0; fits && i < last; i++) fits = pons_dim(logits, i) == pons_dim(targets, i);
  return fits;
}

static pons_array class_loss(pons_array logits, pons_array targets, int axis, bool as_indices,
                             float smoothing) {
  if (as_indices && smoothing == 0 && is_of_known_classes(logits, targets, axis))
    return pons_fast_cross_entropy(logits, targets);
  /* the greatest becomes 0: what all logits have in common costs no digits */
  logits = pons_subtract(logits, pons_stop_gradient(pons_max(logits, .axes = PONS_AXES(axis), .keepdims = true)));
  pons_array normaliser = pons_logsumexp(logits, .axes = PONS_AXES(axis));
  pons_array score = picked(logits, targets, axis, as_indices);
  if (smoothing == 0) return pons_subtract(normaliser, score);
  pons_array even = pons_multiply(pons_float(smoothing), pons_mean(logits, .axes = PONS_AXES(axis)));
  pons_array adjusted = pons_multiply(pons_float(1 - (double)smoothing), score);
  return pons_subtract(normaliser, pons_add(adjusted, even));
}

pons_array pons_cross_entropy_with(struct pons_cross_entropy_args a) {
  const int ndim = pons_ndim(a.logits), axis = a.axis == 0 ? -1 : a.axis;
  if (!(a.label_smoothing >= 0 && a.label_smoothing < 1))
    return pons_fail("cross_entropy", "label smoothing %g is not in [0, 1)", (double)a.label_smoothing);
  const bool as_indices = pons_ndim(a.targets) == ndim - 1;
  if (!as_indices && pons_ndim(a.targets) != ndim)
    return pons_fail("cross_entropy",
                     "targets have %d axes; logits of %d take %d (classes) or %d (probabilities)",
                     pons_ndim(a.targets), ndim, ndim - 1, ndim);
  pons_scope s = pons_scope_open();
  pons_array loss = class_loss(a.logits, a.targets, axis, as_indices, a.label_smoothing);
  if (a.weights) loss = pons_multiply(loss, a.weights);
  return reduced(s, loss, a.reduction);
}

pons_array pons_mse_loss(pons_array predictions, pons_array targets, pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  return reduced(s, pons_square(pons_subtract(predictions, targets)), reduction);
}

pons_array pons_l1_loss(pons_array predictions, pons_array targets, pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  return reduced(s, pons_abs(pons_subtract(predictions, targets)), reduction);
}

pons_array pons_smooth_l1_loss(pons_array predictions, pons_array targets, float beta,
                               pons_reduction reduction) {
  if (!(beta > 0)) return pons_fail("smooth_l1_loss", "beta must be positive, got %g", (double)beta);
  pons_scope s = pons_scope_open();
  pons_array difference = pons_abs(pons_subtract(predictions, targets));
  pons_array small = pons_divide(pons_multiply(pons_float(0.5), pons_square(difference)), pons_float(beta));
  pons_array large = pons_subtract(difference, pons_float(0.5 * (double)beta));
  return reduced(s, pons_where(pons_less(difference, pons_float(beta)), small, large), reduction);
}

pons_array pons_huber_loss(pons_array predictions, pons_array targets, float delta,
                           pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  pons_array error = pons_abs(pons_subtract(predictions, targets));
  pons_array quadratic = pons_minimum(error, pons_float(delta)), linear = pons_subtract(error, quadratic);
  pons_array loss = pons_add(pons_multiply(pons_float(0.5), pons_square(quadratic)),
                             pons_multiply(pons_float(delta), linear));
  return reduced(s, loss, reduction);
}

pons_array pons_nll_loss(pons_array log_probabilities, pons_array targets, pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  return reduced(s, pons_negative(picked(log_probabilities, targets, -1, true)), reduction);
}

pons_array pons_kl_div_loss(pons_array log_inputs, pons_array log_targets, int axis,
                            pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  pons_array each = pons_multiply(pons_exp(log_targets), pons_subtract(log_targets, log_inputs));
  return reduced(s, pons_sum(each, .axes = PONS_AXES(axis)), reduction);
}

pons_array pons_hinge_loss(pons_array predictions, pons_array targets, pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  pons_array margin = pons_subtract(pons_int(1), pons_multiply(predictions, targets));
  return reduced(s, pons_maximum(margin, pons_int(0)), reduction);
}

pons_array pons_binary_cross_entropy(pons_array logits, pons_array targets, pons_reduction reduction) {
  pons_scope s = pons_scope_open();
  pons_array loss = pons_subtract(pons_logaddexp(pons_float(0), logits), pons_multiply(targets, logits));
  return reduced(s, loss, reduction);
}
