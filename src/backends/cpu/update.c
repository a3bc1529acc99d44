/* update.c: combines elements into part of a result: replaced, added, multiplied, least or greatest. Uses
   cpu/indices.h. */
#include "backends/cpu/indices.h"

static int reduce_kind_of(int mode) {
  switch (mode) {
    case PONS_SCATTER_MAX: return REDUCE_MAX;
    case PONS_SCATTER_MIN: return REDUCE_MIN;
    case PONS_SCATTER_SUM: return REDUCE_SUM;
    default: return REDUCE_PROD;
  }
}

static void replace_line(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                         size_t size) {
  if (to_stride == 1 && from_stride == 1) {
    memcpy(to, from, (size_t)n * size);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    memcpy(to + i * to_stride * (int64_t)size, from + i * from_stride * (int64_t)size, size);
}

void update_line(int mode, pons_dtype d, void *to, int64_t to_stride, const void *from, int64_t from_stride,
                 int64_t n) {
  lane_value tile[TILE], more[TILE];
  if (mode == PONS_SCATTER_NONE) {
    replace_line(to, to_stride, from, from_stride, n, pons_dtype_size(d));
    return;
  }
  void (*combine)(const void *, int64_t, int64_t, int64_t, void *) =
      cpu_reduce_loops()->columns[reduce_kind_of(mode)][lane_of(d)];
  bool in_place = to_stride == 1 && lane_is_direct(d);
  for (int64_t at = 0; at < n; at += TILE) {
    int64_t some = smaller(n - at, TILE);
    void *target = element(to, d, at * to_stride);
    const void *lanes = lanes_at(d, element(from, d, at * from_stride), from_stride, some, more);
    if (!in_place) cpu_lanes()->load[d](target, to_stride, some, tile);
    combine(lanes, 0, 1, some, in_place ? target : tile);
    if (!in_place) cpu_lanes()->store[d](tile, some, target, to_stride);
  }
}

typedef struct update_job {
  int mode;
  pons_dtype dtype;
  void *to;
  const void *from;
  cursor rows; /* offsets of both */
  int64_t n, strides[2];
  int64_t count, rows_per_piece;
} update_job;

static void update_piece(void *context, int64_t piece) {
  const update_job *j = context;
  cursor rows = j->rows;
  int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  cursor_to(&rows, row);
  for (; row < end; row++, cursor_next(&rows))
    update_line(j->mode, j->dtype, element(j->to, j->dtype, rows.offset[0]), j->strides[0],
                element(j->from, j->dtype, rows.offset[1]), j->strides[1], j->n);
}

void update_all(int mode, pons_dtype d, void *to, const int64_t *to_strides, const void *from,
                const int64_t *from_strides, int n, const int64_t *shape) {
  if (mode == PONS_SCATTER_NONE) {
    cpu_copy(to, to_strides, from, from_strides, n, shape, pons_dtype_size(d));
    return;
  }
  if (!shape_size(n, shape)) return;
  update_job j = {.mode = mode,
                  .dtype = d,
                  .to = to,
                  .from = from,
                  .rows = cursor_new(n, shape, 2, to_strides, from_strides)};
  j.n = cursor_take_last(&j.rows, j.strides);
  j.count = cursor_size(&j.rows);
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), update_piece, &j);
}
