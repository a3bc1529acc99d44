/* scan.c: running sums, products, maxima, minima and logarithms of sums of exponentials along an axis: Scan.
   Uses base/, graph/. */
#include "ops/ops.h"

static const char *const kind_names[SCAN_KINDS] = {"cummax", "cummin", "cumsum", "cumprod", "logcumsumexp"};

static error *scan_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const scan_params *p = params;
  if (p->kind < 0 || p->kind >= SCAN_KINDS) return fail("scan", "%d is no kind of scan", p->kind);
  const char *op = kind_names[p->kind];
  error *e = check_count(op, n_in, 1);
  if (!e) e = axis_check(op, in[0], p->axis);
  if (!e && p->kind == SCAN_LOGADDEXP && !dtype_is_inexact(dtype_of(in[0])))
    e = fail(op, "not defined for %s", pons_dtype_name(dtype_of(in[0])));
  if (e) return e;
  *out = spec_of(in[0]);
  if (p->kind == SCAN_SUM && in[0]->dtype == PONS_BOOL) out->dtype = PONS_INT32;
  return NULL;
}

static pons_array scan(int kind, pons_array x, int axis, bool reverse, bool inclusive) {
  const scan_params params = {kind, axis, reverse, inclusive};
  return node_make(&prim_scan, &params, 1, &x);
}

/* ---- gradients ---- */

/* x with everything moved `by` places along the axis, at most as many as there are; zeros come in. */
static pons_array moved(pons_array x, int axis, int64_t by, bool towards_end) {
  const int64_t n = node_failed(x) ? 0 : x->shape[axis];
  if (n == 0) return x;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM], low[PONS_MAX_NDIM] = {0},
          high[PONS_MAX_NDIM] = {0};
  for (int i = 0; i < x->ndim; i++) stop[i] = x->shape[i];
  if (towards_end)
    stop[axis] = n - by, low[axis] = by;
  else
    start[axis] = by, high[axis] = by;
  const int d = x->ndim;
  return pons_pad(pons_slice(x, (pons_shape){d, start}, (pons_shape){d, stop}, PONS_SCALAR),
                  (pons_shape){d, low}, (pons_shape){d, high}, NULL);
}

static pons_array moved_on(pons_array x, int axis, bool towards_end) {
  return moved(x, axis, 1, towards_end);
}

/* d y_k / d x_i is the product of all but x_i up to k, so that the gradient is the product of those before i times
       s_i = ct_i + x_(i+1) ct_(i+1) + x_(i+1) x_(i+2) ct_(i+2) + ...  =  ct_i + x_(i+1) s_(i+1),
   a recurrence solved by doubling (Hillis, Steele 1986): nothing is divided by an x that may be 0. */
static pons_array prod_vjp(const scan_params *p, pons_array x, pons_array ct) {
  if (x->size == 0) return ct;
  if (!p->inclusive) ct = moved_on(ct, p->axis, p->reverse);
  pons_array factor = moved_on(x, p->axis, p->reverse), sum = ct;
  for (int64_t by = 1; by < x->shape[p->axis]; by *= 2) {
    sum = pons_add(sum, pons_multiply(factor, moved(sum, p->axis, by, p->reverse)));
    factor = pons_multiply(factor, moved(factor, p->axis, by, p->reverse));
  }
  return pons_multiply(scan(SCAN_PROD, x, p->axis, p->reverse, false), sum);
}

/* Each cotangent goes to the place its extreme was last met at: the running maximum of the places where x is
   it. */
static pons_array extreme_vjp(const scan_params *p, pons_array x, pons_array ct) {
  const int64_t n = x->shape[p->axis];
  if (x->size == 0) return ct;
  pons_array y = scan(p->kind, x, p->axis, p->reverse, true);
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) dims[i] = i == p->axis ? n : 1;
  pons_array place = pons_reshape(pons_arange(0, (double)n, 1, PONS_INT64), (pons_shape){x->ndim, dims});
  pons_array first = pons_array_from(&(int64_t){p->reverse ? n - 1 : 0}, PONS_SCALAR, PONS_INT64);
  pons_array met = scan(p->reverse ? SCAN_MIN : SCAN_MAX, pons_where(pons_equal_nan(x, y), place, first), p->axis,
                        p->reverse, true);
  if (!p->inclusive) ct = moved_on(ct, p->axis, p->reverse);
  return pons_scatter_add_axis(zeros_of(x), met, ct, p->axis);
}

static void scan_vjp(const vjp_call *c) {
  const scan_params *p = c->params;
  pons_array x = c->in[0], y = c->out[0], ct = c->cotangents[0];
  switch (p->kind) {
    case SCAN_SUM:
      c->grads[0] = as_dtype(scan(SCAN_SUM, ct, p->axis, !p->reverse, p->inclusive), dtype_of(x));
      return;
    case SCAN_PROD:
      c->grads[0] = prod_vjp(p, pons_conjugate(x), ct);
      return;
    case SCAN_LOGADDEXP: /* sum over the later ones of ct exp(x - y) */
      if (!p->inclusive) ct = moved_on(ct, p->axis, p->reverse);
      y = p->inclusive ? y : scan(SCAN_LOGADDEXP, x, p->axis, p->reverse, true);
      x = pons_conjugate(x), y = pons_conjugate(y);
      c->grads[0] = pons_multiply(pons_exp(x), scan(SCAN_SUM, pons_multiply(ct, pons_exp(pons_negative(y))),
                                                    p->axis, !p->reverse, true));
      return;
    default:
      c->grads[0] = extreme_vjp(p, x, ct);
  }
}

static void scan_vmap(const vmap_call *c) {
  const scan_params *p = c->params;
  const scan_params shifted = {p->kind, p->axis + 1, p->reverse, p->inclusive};
  batch_apply(c, &shifted);
}

const prim prim_scan = {.name = "Scan",
                        .params_size = sizeof(scan_params),
                        .fields = {FIELD_OF(scan_params, kind, SCAN_KINDS), FIELD(INT, scan_params, axis),
                                   FIELD(BOOL, scan_params, reverse), FIELD(BOOL, scan_params, inclusive)},
                        .infer = scan_infer,
                        .vjp = scan_vjp,
                        .vmap = scan_vmap};

static pons_array checked(int kind, struct pons_scan_args args) {
  pons_array bad = operand_fault(kind_names[kind], 1, &args.x);
  if (bad) return bad;
  error *e = NULL;
  const int axis = axis_or_flat(kind_names[kind], &args.x, args.axis, &e);
  if (e) return node_error(e);
  if (args.dtype.given) args.x = as_dtype(args.x, args.dtype.dtype);
  if (kind == SCAN_LOGADDEXP) args.x = as_dtype(args.x, dtype_at_least_float(dtype_of(args.x)));
  return scan(kind, args.x, axis, args.reverse, !args.exclusive);
}

pons_array pons_cumsum_with(struct pons_scan_args args) { return checked(SCAN_SUM, args); }
pons_array pons_cumprod_with(struct pons_scan_args args) { return checked(SCAN_PROD, args); }
pons_array pons_cummax_with(struct pons_scan_args args) { return checked(SCAN_MAX, args); }
pons_array pons_cummin_with(struct pons_scan_args args) { return checked(SCAN_MIN, args); }
pons_array pons_logcumsumexp_with(struct pons_scan_args args) { return checked(SCAN_LOGADDEXP, args); }
