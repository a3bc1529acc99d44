/* chains.c: elementwise work around a call as part of it, where its implementation can do that and nobody else reads what is between:

       a ─┐                                                        a ─┐
       b ─┴ kernel multiply ── t0 ── Reduce ── t1 ── kernel sqrt   b ─┴ Reduce of multiply, then sqrt

   So what is summed is not written and read once more, and what becomes of the sum is no step of its own. A norm also keeps what is made in
   front of it, for others: a residual sum is written once, and read by them alone. fuse.c puts rows in front of a
   call, and behind it, that takes some; write.c asks again when it knows the kernels that these are: those that an implementation does not
   take are steps of their own. Uses draft.h. */
#include "plan/draft.h"

static bool refuses(const device *on, const kernel *k) { return k && device_refuses_kernel(on->driver, on->index, k); }

chained_run *draft_chained(const draft *d, const draft_op *op, const operand *operands, int n_in, int n_out, const chains *c) {
  const draft_call *call = op->call;
  const device *on = d->request->device;
  if (!on->driver->chained || op->n_in == 0 || call->on_host || call->epilogue || d->values[op->in[0]].size == 0) return NULL;
  if (refuses(on, c->front) || refuses(on, c->behind)) return NULL;
  const launch l = {call->params, n_in, n_out, operands, operands + n_in};
  return on->driver->chained(call->implementation, &l, c);
}

bool draft_takes_rows(const draft *d, const draft_op *op, rows_place place) {
  const driver *on = d->request->device->driver;
  if (!on->chained || !on->chained(op->call->implementation, NULL, NULL)) return false; /* fast: asked of every call */
  if (op->n_in == 0 || op->n_in + op->n_out > CHAINED_OPERANDS) return false;
  operand operands[CHAINED_OPERANDS + 1];
  for (int i = 0; i < op->n_in; i++) operands[i] = draft_operand(d, op->in[i]);
  for (int i = 0; i < op->n_out; i++) operands[op->n_in + i] = draft_operand(d, op->out + i);
  const bool behind = place == ROWS_BEHIND, kept = place == ROWS_IN_FRONT_KEPT;
  const operand y = operands[0], z = operands[op->n_in];
  operands[op->n_in + op->n_out] = y;
  const kernel copy = {.n_in = 1, .n_out = 1 + kept, .in = {(uint8_t)(behind ? z : y).dtype}};
  const chains c = {behind ? NULL : &copy, behind ? &copy : NULL, &y, &z};
  return draft_chained(d, op, operands, op->n_in, op->n_out + kept, &c);
}
