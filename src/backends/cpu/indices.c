/* indices.c: reads arrays of indices of any integer dtype and checks each. Uses cpu/indices.h. */
#include "backends/cpu/indices.h"

int64_t indices_load(pons_dtype d, const void *from, int64_t stride, int64_t n, const index_axis *a,
                     int64_t *to) {
  int64_t last = a->size - a->slice;
  uint64_t wrap = lane_of(d) == LANE_INT ? (uint64_t)a->size : 0;
  cpu_lanes()->load[d](from, stride, n, to); /* an unsigned one beyond int64 is negative here, and wrong */
  for (int64_t i = 0; i < n; i++) {
    if (to[i] < 0) to[i] = (int64_t)((uint64_t)to[i] + wrap);
    if (to[i] < 0 || to[i] > last) return i;
  }
  return -1;
}

static error *wrong_index(const char *op, pons_dtype d, const void *at, const index_axis *a) {
  char index[32], slice[48] = "";
  if (d == PONS_UINT64) snprintf(index, sizeof index, "%llu", (unsigned long long)dtype_read_int(d, at));
  else snprintf(index, sizeof index, "%lld", (long long)dtype_read_int(d, at));
  if (a->slice != 1) snprintf(slice, sizeof slice, ", with slices of %lld,", (long long)a->slice);
  return fail_as(PONS_ERROR_INDEX, op, "index %s%s is out of range for axis %d of size %lld", index, slice,
                 a->axis, (long long)a->size);
}

/* Reads all of `indices`, a tile at a time; adds stride * index to sums, if there are any. */
static error *read_all(const char *op, const operand *indices, const index_axis *a, int64_t stride,
                       int64_t *sums) {
  int64_t tile[TILE], step;
  pons_dtype d = indices->dtype;
  cursor rows = cursor_new(indices->ndim, indices->shape, 1, indices->strides);
  int64_t n = cursor_take_last(&rows, &step), count = cursor_size(&rows);
  cursor_to(&rows, 0);
  for (int64_t row = 0; row < count; row++, cursor_next(&rows))
    for (int64_t at = 0; at < n; at += TILE) {
      int64_t some = smaller(n - at, TILE);
      const void *from = element(indices->data, d, rows.offset[0] + at * step);
      int64_t wrong = indices_load(d, from, step, some, a, tile);
      if (wrong >= 0) return wrong_index(op, d, element(from, d, wrong * step), a);
      for (int64_t i = 0; sums && i < some; i++) sums[row * n + at + i] += stride * tile[i];
    }
  return NULL;
}

/* What is repeated is read once. */
error *indices_check(const char *op, const operand *indices, const index_axis *a) {
  operand once = *indices;
  int64_t shape[PONS_MAX_NDIM];
  for (int d = 0; d < once.ndim; d++) shape[d] = once.strides[d] || !once.shape[d] ? once.shape[d] : 1;
  once.shape = shape;
  return read_all(op, &once, a, 0, NULL);
}

buffer *indices_offsets(const char *op, const operand *in, int n, const index_axis *axes,
                        const int64_t *strides, error **why) {
  int64_t count = n ? operand_size(&in[0]) : 1;
  buffer *offsets = buffer_new((size_t)count * sizeof(int64_t), op, why);
  if (!offsets) return NULL;
  memset(buffer_data(offsets), 0, (size_t)count * sizeof(int64_t));
  for (int k = 0; k < n; k++) {
    *why = read_all(op, &in[k], &axes[k], strides[k], buffer_data(offsets));
    if (!*why) continue;
    buffer_release(offsets);
    return NULL;
  }
  return offsets;
}
