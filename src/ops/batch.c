/* batch.c: what vmap rules share. A rule moves the batch of every operand to axis 0 and applies the primitive
   there, its axes one further on; moving is a view. Uses graph/. */
#include "ops/ops.h"

shape batch_slice_shape(const vmap_call *c, int i) {
  shape s = node_shape(c->in[i]);
  if (c->axes[i] < 0) return s;
  for (int k = c->axes[i]; k + 1 < s.n; k++) s.dims[k] = s.dims[k + 1];
  s.n--;
  return s;
}

pons_array batch_first(const vmap_call *c, int i) {
  if (c->axes[i] > 0) return pons_moveaxis(c->in[i], c->axes[i], 0);
  if (c->axes[i] == 0) return c->in[i];
  int64_t dims[PONS_MAX_NDIM + 1] = {c->size};
  const node *x = c->in[i];
  for (int k = 0; k < x->ndim; k++) dims[k + 1] = x->shape[k];
  return pons_broadcast_to(c->in[i], (pons_shape){x->ndim + 1, dims});
}

void batch_apply(const vmap_call *c, const void *params) {
  pons_array *in = mem_alloc((size_t)(c->n_in ? c->n_in : 1) * sizeof *in);
  if (!in) {
    for (int k = 0; k < c->n_out; k++) c->out[k] = node_error(fail_no_memory("vmap"));
    return;
  }
  for (int i = 0; i < c->n_in; i++) in[i] = batch_first(c, i);
  if (c->n_out == 1)
    c->out[0] = node_make(c->prim, params, c->n_in, in);
  else
    node_make_many(c->prim, params, c->n_in, in, c->out, c->n_out);
  for (int k = 0; k < c->n_out; k++) c->out_axes[k] = 0;
  mem_free(in);
}

ints batch_shift(ints list, int64_t *room) {
  for (int i = 0; i < list.n; i++) room[i] = list.at[i] + 1;
  return (ints){list.n, room};
}

ints batch_prepend(int64_t first, ints list, int64_t *room) {
  room[0] = first;
  for (int i = 0; i < list.n; i++) room[i + 1] = list.at[i];
  return (ints){list.n + 1, room};
}
