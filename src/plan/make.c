/* make.c: from wanted nodes to a plan, pass by pass, and the lists that the passes share. Uses draft.h. */
#include "plan/draft.h"

bool draft_no_memory(draft *d) {
  if (!d->why) d->why = fail_no_memory("eval");
  return false;
}

bool draft_fail(draft *d, error *e) {
  error_release(d->why);
  d->why = e;
  return false;
}

static int32_t new_root(draft *d, int32_t op, const draft_result *r, const int64_t *strides) {
  draft_value *v = draft_value_room(d);
  if (!v) return -1;
  *v = (draft_value){.op = op,
                     .root = (int32_t)d->n_values,
                     .plain = true,
                     .dtype = (uint8_t)r->dtype,
                     .ndim = (uint8_t)r->ndim,
                     .size = shape_size(r->ndim, r->shape),
                     .shape = r->shape,
                     .strides = strides};
  return draft_value_add(d);
}

/* Row-major strides of a result: those of an operand of the same shape, or new ones. */
static const int64_t *strides_for(draft *d, const draft_op *op, const draft_result *r) {
  for (int i = 0; i < op->n_in; i++) {
    const draft_value *v = &d->values[op->in[i]];
    if (v->plain && v->shape == r->shape) return v->strides;
  }
  int64_t *strides = pool_new(&d->plan->pool, (size_t)r->ndim * sizeof *strides);
  if (strides) shape_row_major(r->ndim, r->shape, strides);
  return strides;
}

static draft_op *begin_op(draft *d) {
  draft_op *op = &d->ops[d->n_ops];
  op->out = (int32_t)d->n_values;
  op->early = INT32_MAX;
  op->group = -1;
  return op;
}

int32_t draft_op_add_like(draft *d, int32_t like, pons_dtype dtype) {
  draft_value *v = draft_value_room(d);
  if (!v) return -1;
  begin_op(d);
  const draft_value *x = &d->values[like]; /* not copied: what was written in pieces just now would be waited for */
  *v = (draft_value){.op = (int32_t)d->n_ops,
                     .root = (int32_t)d->n_values,
                     .plain = true,
                     .dtype = (uint8_t)dtype,
                     .ndim = x->ndim,
                     .size = x->size,
                     .shape = x->shape,
                     .strides = x->strides};
  draft_value_add(d);
  return (int32_t)d->n_ops++;
}

int32_t draft_op_add(draft *d, const draft_result *results) {
  const int32_t place = (int32_t)d->n_ops;
  const draft_op *op = begin_op(d);
  for (int i = 0; i < op->n_out; i++) {
    const int64_t *strides = results[i].shape ? strides_for(d, op, &results[i]) : NULL;
    if (!strides) return draft_no_memory(d), -1;
    if (new_root(d, place, &results[i], strides) < 0) return -1;
  }
  d->n_ops++;
  return place;
}

int32_t draft_copy(draft *d, int32_t value) {
  const draft_value v = d->values[value];
  int32_t *in = pool_copy(&d->plan->pool, &value, sizeof value);
  if (!in) return draft_no_memory(d), -1;
  draft_op *op = draft_op_room(d);
  if (!op) return -1;
  *op = (draft_op){.kind = OP_COPY, .n_in = 1, .n_out = 1, .in = in};
  const draft_result result = {(pons_dtype)v.dtype, v.ndim, v.shape};
  const int32_t made = draft_op_add(d, &result);
  return made < 0 ? -1 : d->ops[made].out;
}

/* A wanted view of a small part of what nobody else wants is copied out, so that it does not keep the whole
   alive. */
static bool part_from_whole(draft *d) {
  for (size_t i = 0; i < d->n_outputs; i++) {
    const draft_value v = d->values[d->outputs[i]];
    if (v.op >= 0 && v.root == d->outputs[i]) d->ops[v.op].wanted = true;
  }
  for (size_t i = 0; i < d->n_outputs; i++) {
    const draft_value v = d->values[d->outputs[i]];
    if (v.op < 0 || d->ops[v.op].wanted || 2 * v.size > d->values[v.root].size || v.root == d->outputs[i])
      continue;
    const int32_t copy = draft_copy(d, d->outputs[i]);
    if (copy < 0) return false;
    d->outputs[i] = copy;
  }
  for (size_t i = 0; i < d->n_outputs; i++) {
    const int32_t op = d->values[d->outputs[i]].op;
    if (op >= 0) d->ops[op].wanted = true;
  }
  return true;
}

/* Empties the draft; lists longer than most graphs are given back. */
static void draft_end(draft *d) {
  enum { KEPT_ENTRIES = 1 << 15 };
  if (d->values_room > KEPT_ENTRIES || d->same_room > 4 * KEPT_ENTRIES ||
      d->tuple_values_room > KEPT_ENTRIES) {
    mem_free(d->values);
    mem_free(d->ops);
    mem_free(d->groups);
    mem_free(d->leaf_values);
    mem_free(d->outputs);
    mem_free(d->tuples);
    mem_free(d->tuple_values);
    mem_free(d->same);
    mem_free(d->slots);
    mem_free(d->leaves);
    mem_free(d->stack);
    *d = (draft){0};
  }
  draft_forget_same(d);
  d->n_values = d->n_ops = d->n_groups = d->n_leaves = d->n_outputs = d->n_tuples = d->n_tuple_values = 0;
  d->why = NULL;
  d->request = NULL;
}

static draft kept; /* graph_lock is held */

bool plan_is_under_way(void) { return kept.request; }

plan *plan_make(const plan_request *request, plan_leaf **leaves, error **why) {
  draft *d = &kept;
  plan *p = mem_zalloc(sizeof *p);
  if (!p) {
    *why = fail_no_memory("eval");
    return NULL;
  }
  p->device = request->device;
  d->request = request;
  d->plan = p;
  d->epoch = (uint32_t)walk_epoch();
  d->stamp = -1;
  const bool fine = draft_walk(d) && draft_join(d) && part_from_whole(d) && draft_fuse(d) && draft_write(d) &&
                    (plan_place(p) || draft_no_memory(d));
  *leaves = fine ? pool_copy(&p->pool, d->leaves, d->n_leaves * sizeof *d->leaves) : NULL;
  if (!*leaves) {
    if (!d->why) draft_no_memory(d);
    for (size_t i = 0; i < d->n_leaves; i++) pons_release(d->leaves[i].node);
    plan_free(p);
    p = NULL;
    *why = d->why;
  }
  draft_end(d);
  return p;
}

void plan_free(plan *p) {
  if (!p) return;
  pool_free(&p->pool);
  mem_free(p);
}
