/* prologue.c: what a call's operand is made of as part of the call, where its implementation can do that and nobody else reads it:

       a ─┐                                              a ─┐
       b ─┴ kernel multiply ── t0 ── Reduce    is made   b ─┴ Reduce of multiply

   So what is summed is not written and read once more. fuse.c puts rows in front of a call that takes some, write.c asks again when it
   knows the kernel that these are: an implementation that does not take this one has it run in front, as a step of its own. Uses draft.h. */
#include "plan/draft.h"

prologue_run *draft_prologue(const draft *d, const draft_op *op, const operand *operands, const kernel *k) {
  const draft_call *call = op->call;
  const device *on = d->request->device;
  if (!on->driver->prologue || op->n_in != 1 || call->on_host || call->epilogue || d->values[op->in[0]].size == 0) return NULL;
  if (device_refuses_kernel(on->driver, on->index, k)) return NULL;
  const launch l = {call->params, k->n_in, op->n_out, operands, operands + k->n_in};
  return on->driver->prologue(call->implementation, &l, k);
}

bool draft_takes_rows(const draft *d, const draft_op *op) {
  enum { MOST = 4 };
  if (!d->request->device->driver->prologue || op->n_in != 1 || op->n_out >= MOST) return false;
  operand operands[MOST] = {draft_operand(d, op->in[0])};
  for (int i = 0; i < op->n_out; i++) operands[1 + i] = draft_operand(d, op->out + i);
  const kernel copy = {.n_in = 1, .n_out = 1, .in = {(uint8_t)operands[0].dtype}};
  return draft_prologue(d, op, operands, &copy);
}
