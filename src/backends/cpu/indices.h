/* indices.h: arrays of indices, checked before they are used, and updates of part of a result.
   Uses cpu/calls.h, cpu/lanes.h, cpu/cursor.h. */
#ifndef CPU_INDICES_H
#define CPU_INDICES_H
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include <pons/ops.h> /* pons_scatter_mode */

/* An axis into which indices point. */
typedef struct index_axis {
  int axis;
  int64_t size;  /* of the axis */
  int64_t slice; /* how many elements are taken from an index on */
} index_axis;

/* n indices of dtype d, `stride` apart, as int64 from 0 on: negative ones count from the end. The place of
   the first that points outside, or -1. */
int64_t indices_load(pons_dtype d, const void *from, int64_t stride, int64_t n, const index_axis *a,
                     int64_t *to);
/* NULL if all of `indices` point inside. */
error *indices_check(const char *op, const operand *indices, const index_axis *a);
/* For each place of the index arrays in[0 .. n): the sum of index times stride, one stride per array. In a
   buffer of int64; NULL and *why if an index is wrong or there is no memory. */
buffer *indices_offsets(const char *op, const operand *in, int n, const index_axis *axes,
                        const int64_t *strides, error **why);

/* ---- updates (update.c) ---- */

/* to[i] = mode(to[i], from[i]) for n elements, strides in elements. */
void update_line(int mode, pons_dtype d, void *to, int64_t to_stride, const void *from, int64_t from_stride,
                 int64_t n);
/* The same over all of a shape; no element of `to` may be met twice. */
void update_all(int mode, pons_dtype d, void *to, const int64_t *to_strides, const void *from,
                const int64_t *from_strides, int n, const int64_t *shape);
#endif
