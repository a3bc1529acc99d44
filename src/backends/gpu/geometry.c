/* geometry.c: walks over axes, as lists of numbers for place_of in dialect.h. Uses gpu.h. */
#include "backends/gpu/gpu.h"

gpu_walk gpu_walk_of(int n, const int64_t *sizes, int count, const int64_t *const *strides) {
  gpu_walk w; /* mostly room, which is not cleared: there are several for each launch */
  w.count = count;
  int64_t *lists[GPU_WALK_OPERANDS];
  for (int k = 0; k < count; k++) lists[k] = w.strides[k];
  for (int d = 0; d < n; d++) { /* without axes there are no lists to copy */
    w.sizes[d] = sizes[d];
    for (int k = 0; k < count; k++) w.strides[k][d] = strides[k][d];
  }
  w.n = shape_collapse(n, w.sizes, count, lists);
  return w;
}

int64_t gpu_walk_size(const gpu_walk *w) { return shape_size(w->n, w->sizes); }

gpu_walk gpu_walk_axes(int n, const operand *x, ints axes, bool in_axes) {
  bool chosen[PONS_MAX_NDIM] = {false};
  int64_t sizes[PONS_MAX_NDIM], strides[GPU_WALK_OPERANDS][PONS_MAX_NDIM];
  const int64_t *lists[GPU_WALK_OPERANDS];
  int count = 0;
  for (int i = 0; i < axes.n; i++) chosen[axes.at[i] < 0 ? axes.at[i] + x->ndim : axes.at[i]] = true;
  for (int d = 0; d < x->ndim; d++) {
    if (chosen[d] != in_axes) continue;
    sizes[count] = x->shape[d];
    for (int k = 0; k < n; k++) strides[k][count] = x[k].strides[d];
    count++;
  }
  for (int k = 0; k < n; k++) lists[k] = strides[k];
  return gpu_walk_of(count, sizes, n, lists);
}

void gpu_number_walk(gpu_call *c, int at, const gpu_walk *w) {
  const int place = gpu_number(c, w->n);
  gpu_number_list(c, w->n, w->sizes);
  for (int k = 0; k < w->count; k++) gpu_number_list(c, w->n, w->strides[k]);
  if (c->first + at < GPU_NUMBERS) c->numbers[c->first + at] = place;
}
