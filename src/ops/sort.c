/* sort.c: Sort, ArgSort, Partition, ArgPartition, SearchSorted, NaN last. Equal elements keep their order in Sort and
   ArgSort. Uses graph/. */
#include "ops/ops.h"

static error *along_axis_infer(const char *op, int axis, int n_in, const pons_array *in, bool places,
                               spec *out) {
  error *e = check_count(op, n_in, 1);
  if (!e) e = axis_check(op, in[0], axis);
  if (e) return e;
  *out = spec_of(in[0]);
  if (places) out->dtype = PONS_UINT32;
  return NULL;
}

/* x's elements at sorted places, put back: places has each index once along the axis. */
static pons_array put_back(const node *x, pons_array places, pons_array values, int axis) {
  return pons_scatter_add_axis(zeros_of(x), places, values, axis);
}

/* ---- Sort, ArgSort ---- */

static error *sort_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  return along_axis_infer("sort", ((const axis_params *)params)->axis, n_in, in, false, out);
}

static error *arg_sort_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  return along_axis_infer("argsort", ((const axis_params *)params)->axis, n_in, in, true, out);
}

static void sort_vjp(const vjp_call *c) {
  const int axis = ((const axis_params *)c->params)->axis;
  c->grads[0] = put_back(c->in[0], pons_argsort(c->in[0], axis), c->cotangents[0], axis);
}

static void sort_jvp(const jvp_call *c) {
  const int axis = ((const axis_params *)c->params)->axis;
  c->out_tangents[0] = pons_take_along_axis(c->tangents[0], pons_argsort(c->in[0], axis), axis);
}

static void sort_vmap(const vmap_call *c) {
  const axis_params shifted = {((const axis_params *)c->params)->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_sort = {.name = "Sort",
                        .params_size = sizeof(axis_params),
                        .fields = {FIELD(INT, axis_params, axis)},
                        .infer = sort_infer,
                        .vjp = sort_vjp,
                        .jvp = sort_jvp,
                        .vmap = sort_vmap};
const prim prim_arg_sort = {.name = "ArgSort",
                            .no_gradient = true,
                            .params_size = sizeof(axis_params),
                            .fields = {FIELD(INT, axis_params, axis)},
                            .infer = arg_sort_infer,
                            .vmap = sort_vmap};

static pons_array sorted(const prim *p, const char *op, pons_array x, int axis) {
  pons_array bad = operand_fault(op, 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const axis_params params = {axis_or_flat(op, &x, axis, &e)};
  return e ? node_error(e) : node_make(p, &params, 1, &x);
}

pons_array pons_sort(pons_array x, int axis) { return sorted(&prim_sort, "sort", x, axis); }
pons_array pons_argsort(pons_array x, int axis) { return sorted(&prim_arg_sort, "argsort", x, axis); }

/* ---- Partition, ArgPartition ---- */

static error *kth_check(const char *op, const partition_params *p, const pons_array *in) {
  if (p->kth >= 0 && p->kth < in[0]->shape[p->axis]) return NULL;
  return fail(op, "element %d along axis %d of %s does not exist", p->kth, p->axis, node_text(in[0]));
}

static error *partition_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const partition_params *p = params;
  error *e = along_axis_infer("partition", p->axis, n_in, in, false, out);
  return e ? e : kth_check("partition", p, in);
}

static error *arg_partition_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const partition_params *p = params;
  error *e = along_axis_infer("argpartition", p->axis, n_in, in, true, out);
  return e ? e : kth_check("argpartition", p, in);
}

/* The order inside the two parts is the implementation's: matched by sorting both operand and result. */
static void partition_vjp(const vjp_call *c) {
  const int axis = ((const partition_params *)c->params)->axis;
  pons_array in_order = pons_take_along_axis(c->cotangents[0], pons_argsort(c->out[0], axis), axis);
  c->grads[0] = put_back(c->in[0], pons_argsort(c->in[0], axis), in_order, axis);
}

static void partition_vmap(const vmap_call *c) {
  const partition_params *p = c->params;
  const partition_params shifted = {p->kth, p->axis + 1};
  batch_apply(c, &shifted);
}

const prim prim_partition = {
    .name = "Partition",
    .params_size = sizeof(partition_params),
    .fields = {FIELD(INT, partition_params, kth), FIELD(INT, partition_params, axis)},
    .infer = partition_infer,
    .vjp = partition_vjp,
    .vmap = partition_vmap};
const prim prim_arg_partition = {
    .name = "ArgPartition",
    .no_gradient = true,
    .params_size = sizeof(partition_params),
    .fields = {FIELD(INT, partition_params, kth), FIELD(INT, partition_params, axis)},
    .infer = arg_partition_infer,
    .vmap = partition_vmap};

static pons_array partitioned(const prim *p, const char *op, pons_array x, int kth, int axis) {
  pons_array bad = operand_fault(op, 1, &x);
  if (bad) return bad;
  error *e = NULL;
  const int normal = axis_or_flat(op, &x, axis, &e);
  if (e) return node_error(e);
  const int64_t n = x->shape[normal], from_start = kth < 0 ? kth + n : kth;
  if (from_start < 0 || from_start >= n)
    return node_fail(op, "element %d along axis %d of %s does not exist", kth, axis, node_text(x));
  if (from_start > INT32_MAX)
    return node_fail_as(PONS_ERROR_OVERFLOW, op, "element %lld is too far for an index of 32 bits",
                        (long long)from_start);
  const partition_params params = {(int)from_start, normal};
  return node_make(p, &params, 1, &x);
}

pons_array pons_partition(pons_array x, int kth, int axis) {
  return partitioned(&prim_partition, "partition", x, kth, axis);
}
pons_array pons_argpartition(pons_array x, int kth, int axis) {
  return partitioned(&prim_arg_partition, "argpartition", x, kth, axis);
}

/* ---- SearchSorted: where in a sorted vector values belong ---- */

static error *search_sorted_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = check_count("searchsorted", n_in, 2);
  if (e) return e;
  if (in[0]->ndim != 1 || in[0]->size > UINT32_MAX)
    return fail("searchsorted", "the sorted sequence must be a vector, not %s", node_text(in[0]));
  if (in[0]->dtype != in[1]->dtype)
    return fail("searchsorted", "%s and %s differ in dtype", node_text(in[0]), node_text(in[1]));
  *out = spec_of(in[1]);
  out->dtype = PONS_UINT32;
  return NULL;
}

static void search_sorted_vmap(const vmap_call *c) {
  if (c->axes[0] >= 0) return; /* a sequence for each slice: as without a rule */
  c->out[0] = node_make(c->prim, c->params, 2, (pons_array[]){c->in[0], batch_first(c, 1)});
  c->out_axes[0] = 0;
}

const prim prim_search_sorted = {.name = "SearchSorted",
                                 .no_gradient = true,
                                 .params_size = sizeof(search_sorted_params),
                                 .fields = {FIELD(BOOL, search_sorted_params, right)},
                                 .infer = search_sorted_infer,
                                 .vmap = search_sorted_vmap};

pons_array pons_searchsorted(pons_array sorted_sequence, pons_array values, bool right) {
  pons_array in[2] = {sorted_sequence, values}, bad = operand_fault("searchsorted", 2, in);
  if (bad) return bad;
  const pons_dtype dtype =
      dtype_promote_weak(dtype_of(in[0]), in[0]->weak, dtype_of(in[1]), in[1]->weak);
  for (int i = 0; i < 2; i++) in[i] = as_dtype(in[i], dtype);
  const search_sorted_params params = {right};
  return node_make(&prim_search_sorted, &params, 2, in);
}
