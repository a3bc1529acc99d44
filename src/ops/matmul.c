/* matmul.c: Matmul and AddMM. Uses base/, graph/. */
#include "ops/ops.h"

/* ---- what both check and share ---- */

/* Shape of a @ b for ranks of at least 2 and equal leading sizes. */
static error *product_spec(const char *op, const node *a, const node *b, spec *out) {
  if (a->ndim < 2 || b->ndim != a->ndim || !shape_equal(a->ndim - 2, a->shape, b->ndim - 2, b->shape))
    return fail(op, "leading dimensions differ: %s and %s", node_text(a), node_text(b));
  if (a->dtype != b->dtype || !dtype_is_inexact(dtype_of(a)))
    return fail(op, "operands must be of one float or complex dtype: %s and %s", node_text(a), node_text(b));
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2])
    return fail(op, "inner dimensions differ: %s and %s", node_text(a), node_text(b));
  shape s = node_shape(a);
  s.dims[s.n - 1] = b->shape[b->ndim - 1];
  return spec_set(op, out, dtype_of(a), s.n, s.dims);
}

static pons_array transposed(pons_array x) { return pons_swapaxes(x, -1, -2); }

/* The cotangent's counterpart of the transposed operand: conjugate, if complex. */
static pons_array adjoint(pons_array x) {
  return dtype_is_complex(dtype_of(x)) ? transposed(pons_conjugate(x)) : transposed(x);
}

static pons_array product(pons_array a, pons_array b) {
  return node_make(&prim_matmul, NULL, 2, (pons_array[]){a, b});
}

/* a b, for the gradient of `like`. Of what is seen transposed it is made the other way round, so that the gradient of what
   lies in memory lies there in the same order. */
static pons_array product_like(pons_array like, pons_array a, pons_array b) {
  return like->prim == &prim_transpose ? transposed(product(transposed(b), transposed(a))) : product(a, b);
}

static pons_array gradient_of_left(const vjp_call *c) {
  return product_like(c->in[0], c->cotangents[0], adjoint(c->in[1]));
}
static pons_array gradient_of_right(const vjp_call *c) {
  return product_like(c->in[1], adjoint(c->in[0]), c->cotangents[0]);
}

/* ---- Matmul ---- */

static error *matmul_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("matmul", n_in, 2);
  return e ? e : product_spec("matmul", in[0], in[1], out);
}

static void matmul_vjp(const vjp_call *c) {
  if (c->wanted[0]) c->grads[0] = gradient_of_left(c);
  if (c->wanted[1]) c->grads[1] = gradient_of_right(c);
}

static void matmul_jvp(const jvp_call *c) {
  pons_array left = c->tangents[0] ? product(c->tangents[0], c->in[1]) : NULL;
  pons_array right = c->tangents[1] ? product(c->in[0], c->tangents[1]) : NULL;
  c->out_tangents[0] = !left ? right : !right ? left : pons_add(left, right);
}

/* A right-hand side that all share makes one large product of the batch; pons_matmul does that. */
static void matmul_vmap(const vmap_call *c) {
  pons_array a = c->axes[0] >= 0 ? batch_first(c, 0) : c->in[0];
  pons_array b = c->axes[1] >= 0 ? batch_first(c, 1) : c->in[1];
  c->out[0] = pons_matmul(a, b);
  c->out_axes[0] = 0;
}

const prim prim_matmul = {
    .name = "Matmul", .infer = matmul_infer, .vjp = matmul_vjp, .jvp = matmul_jvp, .vmap = matmul_vmap};

/* Then leading dimensions are told by the operands, not by their sizes in this trace. */
static bool sizes_may_differ(const node *a, const node *b) {
  return trace_is_shapeless() && (a->traced || b->traced);
}

error *align_matrices(const char *op, pons_array *a, pons_array *b) {
  shape lead;
  const int n = (*a)->ndim - 2, m = (*b)->ndim - 2;
  if (!shape_broadcast(n, (*a)->shape, m, (*b)->shape, &lead) || lead.n + 2 > PONS_MAX_NDIM)
    return fail(op, "leading dimensions do not broadcast: %s and %s", node_text(*a), node_text(*b));
  if (sizes_may_differ(*a, *b)) {
    const int64_t matrix[] = {-2, -1};
    const axes_params but_matrix = {{2, matrix}};
    const pons_array x = *a, y = *b;
    *a = node_make(&prim_broadcast_axes, &but_matrix, 2, (pons_array[]){x, y});
    *b = node_make(&prim_broadcast_axes, &but_matrix, 2, (pons_array[]){y, x});
    return NULL;
  }
  pons_array *both[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    const node *x = *both[i];
    shape s = lead;
    s.dims[s.n++] = x->shape[x->ndim - 2];
    s.dims[s.n++] = x->shape[x->ndim - 1];
    *both[i] = as_shape(*both[i], s.n, s.dims);
  }
  return NULL;
}

/* Checks as the user gave the operands; then promotes them and makes matrices of vectors. */
static error *as_matrices(const char *op, pons_array *a, pons_array *b) {
  if ((*a)->ndim == 0 || (*b)->ndim == 0)
    return fail(op, "a scalar has no dimension to multiply over: %s and %s", node_text(*a), node_text(*b));
  const int64_t inner = (*b)->shape[(*b)->ndim == 1 ? 0 : (*b)->ndim - 2];
  if ((*a)->shape[(*a)->ndim - 1] != inner) {
    const bool flipped = (*b)->ndim == 2 && (*a)->shape[(*a)->ndim - 1] == (*b)->shape[1];
    return fail(op, "inner dimensions differ: %s and %s%s", node_text(*a), node_text(*b),
                flipped ? "\nhint: did you mean pons_matmul(a, pons_transpose(b))?" : "");
  }
  const pons_dtype dtype = pons_promote(dtype_of(*a), dtype_of(*b));
  if (!dtype_is_inexact(dtype))
    return fail(op, "only floats and complex numbers can be multiplied so: %s and %s", node_text(*a),
                node_text(*b));
  if ((*a)->ndim == 1) *a = pons_expand_dims(*a, PONS_AXES(0));
  if ((*b)->ndim == 1) *b = pons_expand_dims(*b, PONS_AXES(1));
  *a = as_dtype(*a, dtype);
  *b = as_dtype(*b, dtype);
  return NULL;
}

static pons_array drop_vector_axes(pons_array y, bool row, bool column) {
  if (node_failed(y) || (!row && !column)) return y;
  if (row && column) return pons_squeeze(y, PONS_AXES(-2, -1));
  return row ? pons_squeeze(y, PONS_AXES(-2)) : pons_squeeze(y, PONS_AXES(-1));
}

pons_array pons_matmul(pons_array a, pons_array b) {
  pons_array bad = operand_fault("matmul", 2, (pons_array[]){a, b});
  if (bad) return bad;
  const bool row = a->ndim == 1, column = b->ndim == 1;
  error *e = as_matrices("matmul", &a, &b);
  if (e) return node_error(e);
  bad = operand_fault("matmul", 2, (pons_array[]){a, b});
  if (bad) return bad;
  /* One large product instead of many small ones, unless sizes may change, which Unflatten would keep. */
  if (a->ndim > 2 && b->ndim == 2 && !sizes_may_differ(a, b)) {
    shape lead = node_shape(a);
    lead.n--;
    pons_array y = product(pons_flatten(a, 0, a->ndim - 2), b);
    return drop_vector_axes(pons_unflatten(y, 0, shape_public(&lead)), row, column);
  }
  if (a->ndim > 2 || b->ndim > 2) e = align_matrices("matmul", &a, &b);
  if (e) return node_error(e);
  return drop_vector_axes(product(a, b), row, column);
}

/* ---- AddMM: alpha * (a @ b) + beta * c ---- */

static error *addmm_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("addmm", n_in, 3);
  if (!e) e = product_spec("addmm", in[0], in[1], out);
  if (e) return e;
  if (in[2]->dtype != out->dtype || !shape_equal(in[2]->ndim, in[2]->shape, out->shape.n, out->shape.dims))
    return fail("addmm", "the product is %s %s, the addend %s", shape_text(out->shape.n, out->shape.dims),
                pons_dtype_name(out->dtype), node_text(in[2]));
  return NULL;
}

static pons_array scaled(pons_array x, float by) {
  return by == 1 ? x : pons_multiply(x, constant_like((double)by, x));
}

static void addmm_vjp(const vjp_call *c) {
  const addmm_params *p = c->params;
  pons_array ct = c->cotangents[0];
  if (c->wanted[0]) c->grads[0] = scaled(gradient_of_left(c), p->alpha);
  if (c->wanted[1]) c->grads[1] = scaled(gradient_of_right(c), p->alpha);
  if (c->wanted[2]) c->grads[2] = scaled(ct, p->beta);
}

static void addmm_vmap(const vmap_call *c) {
  const addmm_params *p = c->params;
  pons_array in[3];
  for (int i = 0; i < 3; i++) in[i] = c->axes[i] >= 0 ? batch_first(c, i) : c->in[i];
  if (c->axes[0] < 0 && c->axes[1] < 0) in[0] = batch_first(c, 0); /* the product tells the result's shape */
  c->out[0] = pons_addmm(in[2], in[0], in[1], p->alpha, p->beta);
  c->out_axes[0] = 0;
}

static void addmm_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const addmm_params *p = params;
  out[0] = pons_add(scaled(product(in[0], in[1]), p->alpha), scaled(in[2], p->beta));
}

const prim prim_addmm = {.name = "AddMM",
                         .params_size = sizeof(addmm_params),
                         .fields = {FIELD(FLOAT, addmm_params, alpha), FIELD(FLOAT, addmm_params, beta)},
                         .infer = addmm_infer,
                         .vjp = addmm_vjp,
                         .vmap = addmm_vmap,
                         .decompose = addmm_decompose};

pons_array pons_addmm(pons_array c, pons_array a, pons_array b, float alpha, float beta) {
  pons_array bad = operand_fault("addmm", 3, (pons_array[]){c, a, b});
  if (bad) return bad;
  const bool row = a->ndim == 1, column = b->ndim == 1;
  error *e = as_matrices("addmm", &a, &b);
  if (e) return node_error(e);
  bad = operand_fault("addmm", 2, (pons_array[]){a, b});
  if (bad) return bad;
  const pons_dtype dtype = pons_promote(dtype_of(a), dtype_of(c));
  a = as_dtype(a, dtype), b = as_dtype(b, dtype), c = as_dtype(c, dtype);
  bad = operand_fault("addmm", 3, (pons_array[]){c, a, b});
  if (bad) return bad;

  shape lead = node_shape(a); /* of the result, as matrices */
  const bool fold = a->ndim > 2 && b->ndim == 2 && c->ndim <= (column ? 0 : 1) && /* the addend is the same for all rows */
                    !sizes_may_differ(a, b);
  if (fold)
    a = pons_flatten(a, 0, a->ndim - 2);
  else if (a->ndim > 2 || b->ndim > 2)
    e = align_matrices("addmm", &a, &b);
  if (e) return node_error(e);
  bad = operand_fault("addmm", 2, (pons_array[]){a, b});
  if (bad) return bad;
  shape s = node_shape(a);
  s.dims[s.n - 1] = b->shape[b->ndim - 1];
  if (row && c->ndim > 0 && !column) c = pons_expand_dims(c, PONS_AXES(-2));
  if (column && !row && c->ndim > 0) c = pons_expand_dims(c, PONS_AXES(-1));
  const addmm_params params = {alpha, beta};
  pons_array y = node_make(&prim_addmm, &params, 3, (pons_array[]){a, b, as_shape(c, s.n, s.dims)});
  if (fold) {
    lead.n--;
    y = pons_unflatten(y, 0, shape_public(&lead));
  }
  return drop_vector_axes(y, row, column);
}
