/* activation.c: activations, as mlx.nn has them. Each is a graph of a few ops, fused when computed. */
#include <pons/nn.h>
#include <math.h>

/* Each opens a scope, so that what it is made of ends with it. */
#define RETURN(y) return pons_scope_return(s, y)

pons_array pons_relu(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_maximum(x, pons_int(0)));
}

pons_array pons_relu6(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_minimum(pons_maximum(x, pons_int(0)), pons_float(6)));
}

pons_array pons_leaky_relu(pons_array x, float slope) {
  pons_scope s = pons_scope_open();
  RETURN(pons_maximum(pons_multiply(pons_float(slope), x), x));
}

static pons_array where_positive(pons_array x, pons_array a, pons_array b) {
  return pons_where(pons_greater(x, pons_int(0)), a, b);
}

pons_array pons_elu(pons_array x, float alpha) {
  pons_scope s = pons_scope_open();
  RETURN(where_positive(x, x, pons_multiply(pons_float(alpha), pons_subtract(pons_exp(x), pons_int(1)))));
}

pons_array pons_selu(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_multiply(pons_elu(x, 1.67326f), pons_float(1.0507f)));
}

pons_array pons_celu(pons_array x, float alpha) {
  pons_scope s = pons_scope_open();
  pons_array negative = pons_minimum(pons_int(0), x);
  pons_array low = pons_multiply(
      pons_float(alpha), pons_subtract(pons_exp(pons_divide(negative, pons_float(alpha))), pons_int(1)));
  RETURN(pons_add(pons_maximum(x, pons_float(0)), low));
}

pons_array pons_silu(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_multiply(x, pons_sigmoid(x)));
}

pons_array pons_gelu(pons_array x) {
  pons_scope s = pons_scope_open();
  pons_array inner = pons_add(pons_int(1), pons_erf(pons_divide(x, pons_float(sqrt(2)))));
  RETURN(pons_divide(pons_multiply(x, inner), pons_int(2)));
}

pons_array pons_gelu_approx(pons_array x) {
  pons_scope s = pons_scope_open();
  const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
  pons_array cube = pons_multiply(pons_float(0.044715), pons_multiply(x, pons_square(x)));
  pons_array inner = pons_tanh(pons_multiply(pons_float(root), pons_add(x, cube)));
  RETURN(pons_multiply(pons_multiply(pons_float(0.5), x), pons_add(pons_int(1), inner)));
}

pons_array pons_gelu_fast_approx(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_multiply(x, pons_sigmoid(pons_multiply(pons_float(1.702), x))));
}

pons_array pons_softplus(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_logaddexp(x, pons_int(0)));
}

pons_array pons_softsign(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_divide(x, pons_add(pons_int(1), pons_abs(x))));
}

pons_array pons_mish(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_multiply(x, pons_tanh(pons_softplus(x))));
}

pons_array pons_hardswish(pons_array x) {
  pons_scope s = pons_scope_open();
  pons_array most = pons_maximum(pons_add(x, pons_int(3)), pons_int(0));
  RETURN(pons_divide(pons_multiply(x, pons_minimum(most, pons_int(6))), pons_int(6)));
}

pons_array pons_log_sigmoid(pons_array x) {
  pons_scope s = pons_scope_open();
  RETURN(pons_negative(pons_softplus(pons_negative(x))));
}

pons_array pons_log_softmax(pons_array x, int axis) {
  pons_scope s = pons_scope_open();
  RETURN(pons_subtract(x, pons_logsumexp(x, .axes = PONS_AXES(axis), .keepdims = true)));
}

pons_array pons_glu(pons_array x, int axis) {
  pons_scope s = pons_scope_open();
  pons_array half[2] = {NULL, NULL};
  pons_split(x, 2, axis, half);
  RETURN(pons_multiply(half[0], pons_sigmoid(half[1])));
}
