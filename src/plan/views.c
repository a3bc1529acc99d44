/* views.c: views of values: on the same memory, with other strides.

   A view of what an elementwise operation makes would need that in memory. Where nobody else reads it, the
   operation is done on views of its operands instead, so that it fuses with what reads the view, and what the
   view leaves out is not computed:

       a ── exp ── [:-1] ── tanh        is made       a ── [:-1] ── exp ── tanh

   Uses draft.h. */
#include "plan/draft.h"

const int64_t *draft_shape_for(draft *d, const node *n, int32_t like) {
  if (like >= 0 && shape_equal(n->ndim, n->shape, d->values[like].ndim, d->values[like].shape))
    return d->values[like].shape;
  int64_t *lists = pool_new(&d->plan->pool, 2 * (size_t)n->ndim * sizeof *lists);
  if (!lists) return NULL;
  memcpy(lists, n->shape, (size_t)n->ndim * sizeof *lists);
  return lists;
}

int32_t draft_view_of(draft *d, const node *n, int32_t value, pons_dtype dtype) {
  const draft_value from = d->values[value];
  const shape s = node_shape(n);
  view before, after;
  before.offset = from.offset;
  for (int i = 0; i < from.ndim; i++) before.strides[i] = from.strides[i];
  if (!n->prim->view(n->params, n->in[0], &before, &s, &after)) return -1;
  if (!n->prim->opaque && after.offset == from.offset && from.dtype == dtype &&
      shape_equal(s.n, s.dims, from.ndim, from.shape) &&
      memcmp(after.strides, from.strides, (size_t)s.n * sizeof *after.strides) == 0)
    return value;
  draft_value v = from;
  v.reader = NULL;
  v.dtype = (uint8_t)dtype;
  v.ndim = n->ndim;
  v.offset = after.offset;
  v.size = n->size;
  v.shape = draft_shape_for(d, n, value);
  v.strides = v.shape ? pool_copy(&d->plan->pool, after.strides, (size_t)s.n * sizeof *after.strides) : NULL;
  if (!v.strides) return draft_no_memory(d), -1;
  v.plain = d->values[from.root].plain && v.offset == 0 && v.size == d->values[from.root].size &&
            pons_dtype_size(dtype) == pons_dtype_size((pons_dtype)d->values[from.root].dtype) &&
            shape_is_row_major(v.ndim, v.shape, v.strides);
  draft_value *place = draft_value_room(d);
  if (!place) return -1;
  *place = v;
  return draft_value_add(d);
}

static draft_op *row_that_makes(const draft *d, int32_t value) {
  const draft_value *v = &d->values[value];
  return v->root == value && v->op >= 0 && d->ops[v->op].kind == OP_ROW ? &d->ops[v->op] : NULL;
}

/* A few of the elements or all, in the order they have: reading them is no slower than reading the whole. */
static bool keeps_the_order(const draft_value *view) {
  int64_t least = 1;
  for (int i = view->ndim - 1; i >= 0; i--) {
    if (view->shape[i] == 1) continue;
    if (view->strides[i] < least || (least == 1 && view->strides[i] != 1)) return false;
    least = view->strides[i] * view->shape[i];
  }
  return true;
}

/* So many operations are turned round at a view; more than that start a step of their own. */
enum { TURNED_OPERATIONS = 32 };

/* The view of the result of a row: the row of views. -1 without d->why: an operand has no such view. */
static int32_t view_of_row(draft *d, const node *n, int32_t value, int *left) {
  const draft_op op = *row_that_makes(d, value);
  int32_t *in = pool_copy(&d->plan->pool, op.in, (size_t)op.n_in * sizeof *in);
  if (!in) return draft_no_memory(d), -1;
  for (int i = 0; i < op.n_in; i++) {
    const draft_op *maker = row_that_makes(d, in[i]);
    if (i && op.in[i] == op.in[i - 1]) { /* of a square, say: one view, read twice */
      in[i] = in[i - 1];
      continue;
    }
    const bool turns = maker && !maker->shared && --*left > 0;
    in[i] = turns ? view_of_row(d, n, in[i], left) : draft_view_of(d, n, in[i], (pons_dtype)d->values[in[i]].dtype);
    if (in[i] < 0) return -1;
  }
  draft_op *turned = draft_op_room(d);
  if (!turned) return -1;
  *turned = (draft_op){.kind = OP_ROW, .row = op.row, .n_in = op.n_in, .n_out = 1, .in = in};
  const draft_result result = {(pons_dtype)d->values[value].dtype, n->ndim, draft_shape_for(d, n, in[0])};
  const int32_t made = draft_op_add(d, &result);
  return made < 0 ? -1 : d->ops[made].out;
}

/* Would all rows that the value is made of be turned? Else one chain would become two, with memory between them. */
static bool turns_whole(const draft *d, int32_t value, int *left) {
  const draft_op *op = row_that_makes(d, value);
  for (int i = 0; i < op->n_in; i++) {
    const draft_op *maker = row_that_makes(d, op->in[i]);
    if (maker && (maker->shared || --*left <= 0 || !turns_whole(d, op->in[i], left))) return false;
  }
  return true;
}

/* Of `view`, what the node is of `value` (-1: none). The broadcast of a cast is cast after broadcasting, whoever else reads
   it: then the cast disappears in the kernel that reads it. A view of bits in another dtype is of those that the row makes. A
   view of all in their order gains nothing by itself. */
static bool turns_round(const draft *d, const node *n, int32_t value, int32_t view) {
  const draft_op *maker = row_that_makes(d, value);
  if (!maker || n->prim->opaque || n->dtype != d->values[value].dtype) return false;
  if (n->size > d->values[value].size) return maker->row == ROW_cast;
  int left = TURNED_OPERATIONS;
  return view >= 0 && !maker->shared && keeps_the_order(&d->values[view]) &&
         (!d->values[view].plain || turns_whole(d, value, &left));
}

int32_t draft_view(draft *d, const node *n) {
  int32_t value = draft_value_of(d, n->in[0]);
  int32_t made = draft_view_of(d, n, value, (pons_dtype)n->dtype);
  if (d->why || made == value) return made;
  if (turns_round(d, n, value, made)) {
    int left = n->size > d->values[value].size ? 1 : TURNED_OPERATIONS;
    const int32_t turned = view_of_row(d, n, value, &left);
    if (turned >= 0 || d->why) return turned;
  }
  if (made >= 0) return made;
  value = draft_copy(d, value);
  if (value < 0) return -1;
  made = draft_view_of(d, n, value, (pons_dtype)n->dtype);
  if (made < 0 && !d->why)
    draft_fail(d, fail(n->prim->name, "no view of row-major elements: %s", node_text(n)));
  return made;
}
