/* join_cpu.c: "Concatenate" and "Pad": results put together from copies of parts. Uses cpu/calls.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"

error *cpu_concatenate(const launch *l) {
  const operand *out = l->out;
  int axis = ((const axis_params *)l->params)->axis;
  int64_t strides[PONS_MAX_NDIM], at = 0;
  shape_row_major(out->ndim, out->shape, strides);
  for (int i = 0; i < l->n_in; i++) {
    const operand *x = &l->in[i];
    cpu_copy(element(out->data, out->dtype, at), strides, x->data, x->strides, x->ndim, x->shape,
             pons_dtype_size(x->dtype));
    at += x->shape[axis] * strides[axis];
  }
  return NULL;
}

/* The padding is written with the rest: what is under x is written twice, which costs less than finding it.
   */
error *cpu_pad(const launch *l) {
  const pad_params *p = l->params;
  const operand *x = &l->in[0], *value = &l->in[1], *out = l->out;
  int64_t strides[PONS_MAX_NDIM], none[PONS_MAX_NDIM] = {0}, at = 0;
  shape_row_major(out->ndim, out->shape, strides);
  cpu_copy(out->data, strides, value->data, none, out->ndim, out->shape, pons_dtype_size(out->dtype));
  for (int i = 0; i < p->axes.n; i++) at += p->low.at[i] * strides[p->axes.at[i]];
  cpu_copy(element(out->data, out->dtype, at), strides, x->data, x->strides, x->ndim, x->shape,
           pons_dtype_size(x->dtype));
  return NULL;
}
