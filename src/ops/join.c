/* join.c: putting together and cutting apart: Concatenate, Split. Uses base/, graph/. */
#include "ops/ops.h"

/* ---- Concatenate ---- */

static error *concatenate_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const axis_params *p = params;
  if (n_in < 1) return fail("concatenate", "needs at least one array");
  error *e = axis_check("concatenate", in[0], p->axis);
  if (e) return e;
  shape s = node_shape(in[0]);
  for (int i = 1; i < n_in; i++) {
    bool fits = in[i]->ndim == s.n && in[i]->dtype == in[0]->dtype;
    for (int k = 0; k < s.n && fits; k++) fits = k == p->axis || in[i]->shape[k] == s.dims[k];
    if (!fits)
      return fail("concatenate", "%s and %s do not fit along axis %d", node_text(in[0]), node_text(in[i]),
                  p->axis);
    s.dims[p->axis] +=
        in[i]->shape[p->axis]; /* fewer than 2^20 operands of at most 2^59: no overflow before the check */
    if (s.dims[p->axis] > (int64_t)1 << 59) break;
  }
  return spec_set("concatenate", out, dtype_of(in[0]), s.n, s.dims);
}

static void concatenate_vjp(const vjp_call *c) {
  const axis_params *p = c->params;
  const node *ct = c->cotangents[0];
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  for (int i = 0; i < ct->ndim; i++) stop[i] = ct->shape[i];
  for (int i = 0; i < c->n_in; i++) {
    stop[p->axis] = start[p->axis] + c->in[i]->shape[p->axis];
    if (c->wanted[i])
      c->grads[i] = pons_slice(c->cotangents[0], (pons_shape){ct->ndim, start}, (pons_shape){ct->ndim, stop},
                               PONS_SCALAR);
    start[p->axis] = stop[p->axis];
  }
}

static void concatenate_vmap(const vmap_call *c) {
  const axis_params shifted = {((const axis_params *)c->params)->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_concatenate = {.name = "Concatenate",
                               .linear = true,
                               .params_size = sizeof(axis_params),
                               .fields = {FIELD(INT, axis_params, axis)},
                               .infer = concatenate_infer,
                               .vjp = concatenate_vjp,
                               .vmap = concatenate_vmap};

static pons_array concatenated_flat(const pons_array *arrays, int count) {
  pons_array *flat = mem_alloc((size_t)count * sizeof *flat);
  if (!flat) return node_error(fail_no_memory("concatenate"));
  for (int i = 0; i < count; i++) flat[i] = pons_flatten(arrays[i], 0, -1);
  pons_array result = pons_concatenate(flat, count, 0);
  mem_free(flat);
  return result;
}

pons_array pons_concatenate(const pons_array *arrays, int count, int axis) {
  if (count < 1) return node_fail("concatenate", "needs at least one array");
  pons_array bad = operand_fault("concatenate", count, arrays);
  if (bad) return bad;
  if (axis == PONS_FLAT) return concatenated_flat(arrays, count);
  error *e = NULL;
  const axis_params params = {axis_of("concatenate", arrays[0], axis, &e)};
  if (e) return node_error(e);
  if (count == 1) return same_array(arrays[0]);
  pons_dtype dtype = dtype_of(arrays[0]);
  bool mixed = false;
  for (int i = 1; i < count; i++) {
    mixed |= arrays[i]->dtype != dtype;
    dtype = pons_promote(dtype, dtype_of(arrays[i]));
  }
  mixed |= arrays[0]->dtype != dtype;
  if (!mixed) return node_make(&prim_concatenate, &params, count, arrays);
  pons_array *cast = mem_alloc((size_t)count * sizeof *cast);
  if (!cast) return node_error(fail_no_memory("concatenate"));
  for (int i = 0; i < count; i++) cast[i] = as_dtype(arrays[i], dtype);
  pons_array result = node_make(&prim_concatenate, &params, count, cast);
  mem_free(cast);
  return result;
}

/* ---- Split: cut before each of `indices` ---- */

static int split_outputs(const void *params, int n_in) {
  (void)n_in;
  return ((const split_params *)params)->indices.n + 1;
}

/* Where piece i begins and ends: indices count from the end if negative and are clipped, as in MLX. */
static void piece(const split_params *p, int64_t size, int i, int64_t *start, int64_t *stop) {
  int64_t ends[2];
  for (int k = 0; k < 2; k++) {
    const int at = i - 1 + k;
    int64_t cut = at < 0 ? 0 : at >= p->indices.n ? size : p->indices.at[at];
    if (cut < 0) cut += size;
    ends[k] = cut < 0 ? 0 : cut > size ? size : cut;
  }
  *start = ends[0];
  *stop = ends[1] < ends[0] ? ends[0] : ends[1];
}

static error *split_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const split_params *p = params;
  error *e = check_count("split", n_in, 1);
  if (!e) e = axis_check("split", in[0], p->axis);
  for (int i = 0; !e && i <= p->indices.n; i++) {
    int64_t start, stop;
    piece(p, in[0]->shape[p->axis], i, &start, &stop);
    out[i] = spec_of(in[0]);
    out[i].shape.dims[p->axis] = stop - start;
  }
  return e;
}

/* What x is made of, if that has its last axis as two, which were only joined; else NULL. */
static pons_array before_last_was_joined(const node *x) {
  pons_array from = NULL;
  if (x->prim != &prim_reshape && x->prim != &prim_flatten) return NULL;
  graph_lock(); /* as soon as x is computed it lets go of it */
  const node *in = x->in ? x->in[0] : NULL;
  bool fits = in && in->ndim == x->ndim + 1;
  for (int i = 0; fits && i < x->ndim - 1; i++) fits = in->shape[i] == x->shape[i];
  if (fits) from = same_array(x->in[0]);
  graph_unlock();
  return from;
}

/* Pieces put together along an axis; before that was joined of two where it was: what lies otherwise in memory (the gradients of heads,
   say) is copied once then. */
static pons_array put_together(const pons_array *pieces, int count, int axis) {
  const node *first = pieces[0];
  if (trace_is_shapeless() || axis != first->ndim - 1 || first->ndim == PONS_MAX_NDIM) return pons_concatenate(pieces, count, axis);
  pons_array *apart = mem_alloc((size_t)count * sizeof *apart);
  if (!apart) return node_error(fail_no_memory("split"));
  bool all = true;
  for (int i = 0; i < count && all; i++) {
    apart[i] = before_last_was_joined(pieces[i]);
    all = apart[i] && apart[i]->shape[axis + 1] == apart[0]->shape[axis + 1];
  }
  pons_array y = all ? pons_flatten(pons_concatenate(apart, count, axis), axis, axis + 1) : pons_concatenate(pieces, count, axis);
  mem_free(apart);
  return y;
}

static void split_vjp(const vjp_call *c) {
  const split_params *p = c->params;
  bool whole = true; /* do the pieces, one after the other, make the operand? */
  int64_t total = 0;
  for (int i = 0; i < c->n_out; i++) total += c->cotangents[i]->shape[p->axis];
  for (int i = 0; i < p->indices.n; i++) whole &= p->indices.at[i] >= (i ? p->indices.at[i - 1] : 0);
  if (whole && total == c->in[0]->shape[p->axis]) {
    c->grads[0] = put_together(c->cotangents, c->n_out, p->axis);
    return;
  }
  const int n = c->in[0]->ndim;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) stop[i] = c->in[0]->shape[i];
  pons_array sum = zeros_of(c->in[0]);
  for (int i = 0; i < c->n_out; i++) {
    piece(p, c->in[0]->shape[p->axis], i, start + p->axis, stop + p->axis);
    sum = pons_add(sum, pons_slice_update(zeros_of(c->in[0]), c->cotangents[i], (pons_shape){n, start},
                                          (pons_shape){n, stop}, PONS_SCALAR));
  }
  c->grads[0] = sum;
}

static void split_vmap(const vmap_call *c) {
  const split_params *p = c->params;
  const split_params shifted = {p->indices, p->axis + 1};
  batch_apply(c, &shifted);
}

static void split_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  const split_params *p = params;
  const int n = in[0]->ndim;
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) stop[i] = in[0]->shape[i];
  for (int i = 0; i <= p->indices.n; i++) {
    piece(p, in[0]->shape[p->axis], i, start + p->axis, stop + p->axis);
    out[i] = pons_slice(in[0], (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
  }
}

const prim prim_split = {.name = "Split",
                         .linear = true,
                         .params_size = sizeof(split_params),
                         .fields = {FIELD(INTS, split_params, indices), FIELD(INT, split_params, axis)},
                         .outputs = split_outputs,
                         .infer = split_infer,
                         .vjp = split_vjp,
                         .vmap = split_vmap,
                         .decompose = split_decompose};

static void all_fail(pons_array bad, pons_array *out, int count) {
  for (int i = 0; i < count; i++) out[i] = bad;
}

static void split(pons_array x, const int64_t *indices, int count, int axis, pons_array *out) {
  if (count == 0) {
    out[0] = same_array(x);
    return;
  }
  const split_params params = {{count, indices}, axis};
  node_make_many(&prim_split, &params, 1, &x, out, count + 1);
}

void pons_split(pons_array x, int parts, int axis, pons_array *out) {
  if (parts < 1) {
    (void)node_fail("split", "into %d parts", parts);
    return;
  }
  pons_array bad = operand_fault("split", 1, &x);
  if (bad) {
    all_fail(bad, out, parts);
    return;
  }
  error *e = NULL;
  const int normal = axis_of("split", x, axis, &e);
  if (!e && x->shape[normal] % parts)
    e = fail("split", "axis %d of %s does not divide into %d equal parts", axis, node_text(x), parts);
  int64_t *indices = e ? NULL : mem_alloc((size_t)parts * sizeof *indices);
  if (!e && !indices) e = fail_no_memory("split");
  if (e) {
    all_fail(node_error(e), out, parts);
    return;
  }
  for (int i = 1; i < parts; i++) indices[i - 1] = x->shape[normal] / parts * i;
  split(x, indices, parts - 1, normal, out);
  mem_free(indices);
}

void pons_split_at(pons_array x, pons_axes indices, int axis, pons_array *out) {
  const int count = indices.at && indices.count > 0 ? indices.count : 0;
  pons_array bad = operand_fault("split", 1, &x);
  if (bad) {
    all_fail(bad, out, count + 1);
    return;
  }
  error *e = NULL;
  const int normal = axis_of("split", x, axis, &e);
  int64_t *wide = e ? NULL : mem_alloc((size_t)(count + 1) * sizeof *wide);
  if (!e && !wide) e = fail_no_memory("split");
  if (e) {
    all_fail(node_error(e), out, count + 1);
    return;
  }
  for (int i = 0; i < count; i++) wide[i] = indices.at[i];
  split(x, wide, count, normal, out);
  mem_free(wide);
}
