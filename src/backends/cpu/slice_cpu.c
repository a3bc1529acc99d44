/* slice_cpu.c: "SliceUpdate", and slices that begin where an array says: "DynamicSlice",
   "DynamicSliceUpdate". Uses cpu/indices.h. */
#include "backends/cpu/indices.h"

error *cpu_slice_update(const launch *l) {
  const slice_update_params *p = l->params;
  const operand *update = &l->in[1], *out = l->out;
  int64_t strides[PONS_MAX_NDIM], first = 0;
  cpu_copy_packed(out->data, &l->in[0]);
  if (!operand_size(update)) return NULL;
  shape_row_major(out->ndim, out->shape, strides);
  for (int d = 0; d < out->ndim; d++) {
    first += p->start.at[d] * strides[d];
    strides[d] *= p->strides.at[d];
  }
  update_all(p->kind, out->dtype, element(out->data, out->dtype, first), strides, update->data,
             update->strides, out->ndim, update->shape);
  return NULL;
}

/* Where the slice of `sizes` begins in x, in elements. */
static error *slice_begin(const char *op, const operand *start, ints axes, const operand *x,
                          const int64_t *strides, const int64_t *sizes, int64_t *begin) {
  *begin = 0;
  for (int k = 0; k < axes.n; k++) {
    int axis = (int)axes.at[k];
    int64_t shape[1] = {1}, stride[1] = {1}, index;
    int64_t step = start->ndim ? start->strides[start->ndim - 1] : 0;
    operand one = {element(start->data, start->dtype, k * step), start->dtype, 1, shape, stride};
    index_axis a = {axis, x->shape[axis], sizes[axis]};
    error *why = indices_check(op, &one, &a);
    if (why) return why;
    indices_load(one.dtype, one.data, 1, 1, &a, &index);
    *begin += index * strides[axis];
  }
  return NULL;
}

error *cpu_dynamic_slice(const launch *l) {
  const dynamic_slice_params *p = l->params;
  operand x = l->in[0];
  int64_t begin;
  error *why = slice_begin("slice", &l->in[1], p->axes, &x, x.strides, l->out->shape, &begin);
  if (why) return why;
  x.data = element(x.data, x.dtype, begin);
  x.shape = l->out->shape;
  cpu_copy_packed(l->out->data, &x);
  return NULL;
}

error *cpu_dynamic_slice_update(const launch *l) {
  const dynamic_slice_params *p = l->params;
  const operand *update = &l->in[1], *out = l->out;
  int64_t strides[PONS_MAX_NDIM], begin;
  shape_row_major(out->ndim, out->shape, strides);
  error *why = slice_begin("slice_update", &l->in[2], p->axes, out, strides, update->shape, &begin);
  if (why) return why;
  cpu_copy_packed(out->data, &l->in[0]);
  cpu_copy(element(out->data, out->dtype, begin), strides, update->data, update->strides, update->ndim,
           update->shape, pons_dtype_size(out->dtype));
  return NULL;
}
