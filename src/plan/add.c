/* add.c: sums as part of what makes one of their operands, where that is a call whose implementation adds:

       x ─────────────┐                              x ─────┐
       a, w ─ Matmul ─┴ add          is made         a, w ─ Matmul

   So what a layer adds to its operand, and a norm's gradient to the gradient that went past it, is not written and read once more. The
   sum is rounded once, not twice. Uses draft.h. */
#include "plan/draft.h"

/* The call that makes the value, row-major, for one reader alone, and adds nothing yet; NULL: there is none such. */
static draft_op *call_that_adds(const draft *d, int32_t value) {
  const draft_value *v = &d->values[value];
  draft_op *op = v->op >= 0 ? &d->ops[v->op] : NULL;
  if (!op || op->kind != OP_CALL || op->shared || op->adds || !v->plain || v->root != op->out) return NULL;
  const driver *on = d->request->device->driver;
  return !op->call->on_host && on->adding && on->adding(op->call->implementation) ? op : NULL;
}

/* The value, which is plain, as an operand with the shape and strides of another. */
static int32_t shaped_like(draft *d, int32_t value, int32_t other) {
  draft_value *v = draft_value_room(d);
  if (!v) return -1;
  const draft_value *like = &d->values[other];
  *v = d->values[value];
  v->ndim = like->ndim;
  v->shape = like->shape;
  v->strides = like->strides;
  return draft_value_add(d);
}

static bool add_operand(draft *d, draft_op *op, int32_t value) {
  const int32_t shaped = shaped_like(d, value, op->out);
  int32_t *in = shaped >= 0 ? pool_new(&d->plan->pool, (size_t)(op->n_in + 1) * sizeof *in) : NULL;
  if (!in) return draft_no_memory(d);
  memcpy(in, op->in, (size_t)op->n_in * sizeof *in);
  in[op->n_in++] = shaped;
  op->in = in;
  op->adds = true;
  return true;
}

int32_t draft_sum(draft *d, const int32_t *in) {
  for (int i = 0; i < 2; i++) {
    draft_op *op = call_that_adds(d, in[i]);
    const draft_value *other = &d->values[in[!i]], *v = &d->values[in[i]];
    if (!op || !other->plain || other->size != v->size || other->dtype != v->dtype || other->op >= v->op) continue;
    return add_operand(d, op, in[!i]) ? in[i] : -1;
  }
  return -1;
}
