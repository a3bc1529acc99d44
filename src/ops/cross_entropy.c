/* cross_entropy.c: CrossEntropy, the loss of logits whose class is known: logits (..., n) and targets (...) to the loss, and
   to what its gradient is made of: the greatest logit of each row (0 for an infinite one), and the logarithm of the sum of
   exponentials of what is left when that is taken from all. A composite, in float32 (float64 for float64). Uses graph/. */
#include "ops/ops.h"
#include <math.h>

static const char *const op = "cross_entropy";

static pons_dtype wide_dtype(const node *logits) {
  return dtype_of(logits) == PONS_FLOAT64 ? PONS_FLOAT64 : PONS_FLOAT32;
}

static int three_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 3;
}

static error *cross_entropy_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count(op, n_in, 2);
  if (e) return e;
  const node *logits = in[0], *targets = in[1];
  if (dtype_kind_of(dtype_of(logits)) != KIND_FLOAT)
    return fail(op, "not defined for logits of %s", pons_dtype_name(dtype_of(logits)));
  if (!dtype_is_integer(dtype_of(targets)))
    return fail(op, "targets must be integers, not %s", pons_dtype_name(dtype_of(targets)));
  if (logits->ndim == 0) return fail(op, "logits need at least one axis");
  if (!shape_equal(logits->ndim - 1, logits->shape, targets->ndim, targets->shape))
    return fail(op, "targets must have the shape of the logits without their last axis: %s and %s", node_text(logits),
                node_text(targets));
  if (logits->size == 0) return fail(op, "%s has no element", node_text(logits));
  for (int i = 0; i < 3; i++) {
    out[i] = spec_of(i ? logits : targets);
    out[i].dtype = wide_dtype(logits);
    if (i) out[i].shape.dims[logits->ndim - 1] = 1;
  }
  return NULL;
}

/* The greatest becomes 0, if it is finite: what all logits have in common costs no digits. */
static void cross_entropy_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  pons_array wide = as_dtype(in[0], wide_dtype(in[0]));
  pons_array most = pons_stop_gradient(pons_max(wide, .axes = PONS_AXES(-1), .keepdims = true));
  pons_array endless = pons_equal(pons_abs(most), constant_like((double)INFINITY, most));
  out[1] = pons_where(endless, constant_like(0, most), most);
  pons_array x = pons_subtract(wide, out[1]);
  pons_array chosen = pons_take_along_axis(x, pons_expand_dims(in[1], PONS_AXES(-1)), -1);
  out[2] = pons_logsumexp(x, .axes = PONS_AXES(-1), .keepdims = true);
  out[0] = pons_squeeze(pons_subtract(out[2], chosen), PONS_AXES(-1));
}

/* The narrowest dtype that counts to n: the places in a row are read for each element. */
static pons_dtype counting_dtype(int64_t n) {
  return n <= UINT8_MAX ? PONS_UINT8 : n <= UINT16_MAX ? PONS_UINT16 : n <= UINT32_MAX ? PONS_UINT32 : PONS_INT64;
}

/* 1 at each row's target, else 0, as bool. */
static pons_array is_target(const node *logits, pons_array targets) {
  const int64_t n = logits->shape[logits->ndim - 1];
  const pons_dtype counting = counting_dtype(n);
  pons_array wide = pons_astype(targets, PONS_INT64);
  pons_array from_end = pons_add(wide, constant_like((double)n, wide));
  pons_array place = pons_where(pons_less(wide, constant_like(0, wide)), from_end, wide);
  return pons_equal(pons_arange(0, (double)n, 1, counting),
                    pons_expand_dims(pons_astype(place, counting), PONS_AXES(-1)));
}

/* Elementwise: the softmax is exp(x - greatest - log sum). */
static void cross_entropy_vjp(const vjp_call *c) {
  const pons_dtype wide = wide_dtype(c->in[0]);
  pons_array g = pons_expand_dims(c->cotangents[0], PONS_AXES(-1)), x = as_dtype(c->in[0], wide);
  pons_array softmax = pons_exp(pons_subtract(pons_subtract(x, c->out[1]), c->out[2]));
  pons_array of_sum = pons_multiply(softmax, pons_add(g, c->cotangents[2]));
  pons_array of_target = pons_where(is_target(c->in[0], c->in[1]), g, pons_scalar(0, wide));
  c->grads[0] = pons_subtract(of_sum, of_target);
}

static void cross_entropy_vmap(const vmap_call *c) { batch_apply(c, c->params); }

const prim prim_cross_entropy = {.name = "CrossEntropy",
                                 .outputs = three_outputs,
                                 .infer = cross_entropy_infer,
                                 .vjp = cross_entropy_vjp,
                                 .vmap = cross_entropy_vmap,
                                 .decompose = cross_entropy_decompose};

static bool is_widened(const node *x) {
  return node_state_of(x) == NODE_PENDING && x->prim->row == ROW_cast + 1 && dtype_of(x) == PONS_FLOAT32 &&
         pons_dtype_size(dtype_of(x->in[0])) == 2 && dtype_kind_of(dtype_of(x->in[0])) == KIND_FLOAT;
}

/* With a reference. What was only widened is taken as it was: it is widened anyway. */
static pons_array before_widening(pons_array x) {
  graph_lock();
  pons_array taken = pons_keep(is_widened(x) ? x->in[0] : x);
  graph_unlock();
  return taken;
}

pons_array pons_fast_cross_entropy(pons_array logits, pons_array targets) {
  pons_array in[2] = {logits, targets}, out[3], bad = operand_fault(op, 2, in);
  if (bad) return bad;
  in[0] = before_widening(logits);
  node_make_many(&prim_cross_entropy, NULL, 2, in, out, 3);
  pons_release(in[0]);
  return out[0];
}
