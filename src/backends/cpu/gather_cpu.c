/* gather_cpu.c: "Gather" (slices that begin where index arrays say) and "GatherAxis" (an index for each
   element of the result). Uses cpu/indices.h. */
#include "backends/cpu/indices.h"

/* ---- Gather ---- */

typedef struct gather_job {
  const char *from;
  char *to;
  size_t size;            /* of an element */
  const int64_t *offsets; /* of each slice */
  cursor rows;            /* of a slice: offsets in x */
  int64_t n, stride;      /* elements of a row */
  int64_t row_count;
  int64_t count, slices_per_piece;
  bool past_cache;
} gather_job;

enum { LINE = 64, PAGE = 4096, LONG_ROW = 512 };

/* A row, while `next` is fetched: where rows lie anywhere the processor can't foresee it. */
static void copy_row(const gather_job *j, const char *from, const char *next, char *to, size_t bytes) {
  if (bytes >= LONG_ROW)
    for (size_t at = 0; at < bytes && at < PAGE; at += LINE) __builtin_prefetch(next + at);
  if (j->past_cache) cpu_copy_past_cache(to, from, bytes);
  else memcpy(to, from, bytes);
}

static const char *slice_at(const gather_job *j, int64_t at) { return j->from + j->offsets[at] * (int64_t)j->size; }

static void gather_piece(void *context, int64_t piece) {
  const gather_job *j = context;
  cursor rows = j->rows;
  int64_t at = piece * j->slices_per_piece, end = smaller(at + j->slices_per_piece, j->count);
  int64_t row_bytes = j->n * (int64_t)j->size;
  char *to = j->to + at * j->row_count * row_bytes;
  for (; at < end; at++) {
    const char *slice = slice_at(j, at), *next = slice_at(j, at + 1 < end ? at + 1 : at);
    cursor_to(&rows, 0);
    for (int64_t r = 0; r < j->row_count; r++, to += row_bytes, cursor_next(&rows)) {
      const int64_t offset = rows.offset[0] * (int64_t)j->size;
      if (j->stride == 1) copy_row(j, slice + offset, next + offset, to, (size_t)row_bytes);
      else
        for (int64_t i = 0; i < j->n; i++)
          memcpy(to + i * (int64_t)j->size, slice + offset + i * j->stride * (int64_t)j->size, j->size);
    }
  }
  if (j->past_cache) cpu_end_past_cache();
}

error *cpu_gather(const launch *l) {
  const gather_params *p = l->params;
  const operand *x = &l->in[0];
  index_axis axes[PONS_MAX_NDIM];
  int64_t strides[PONS_MAX_NDIM];
  for (int k = 0; k < p->axes.n; k++) {
    int axis = (int)p->axes.at[k];
    axes[k] = (index_axis){axis, x->shape[axis], p->slice_sizes.at[axis]};
    strides[k] = x->strides[axis];
  }
  error *why = NULL;
  buffer *offsets = indices_offsets("take", l->in + 1, p->axes.n, axes, strides, &why);
  if (!offsets) return why;
  gather_job j = {.from = x->data,
                  .to = l->out->data,
                  .size = pons_dtype_size(x->dtype),
                  .offsets = buffer_data(offsets)};
  j.rows = cursor_new(x->ndim, p->slice_sizes.at, 1, x->strides);
  int64_t slice = cursor_size(&j.rows);
  j.n = cursor_take_last(&j.rows, &j.stride);
  j.row_count = cursor_size(&j.rows);
  j.count = slice ? operand_size(l->out) / slice : 0;
  j.past_cache = j.stride == 1 && (size_t)j.n * j.size >= LONG_ROW &&
                 cpu_outgrows_cache((size_t)operand_size(l->out) * j.size);
  if (j.count) {
    j.slices_per_piece = turns_per_piece(j.count, slice);
    parallel_for(pieces_of(j.count, j.slices_per_piece), gather_piece, &j);
  }
  buffer_release(offsets);
  return NULL;
}

/* ---- GatherAxis ---- */

typedef struct gather_axis_job {
  const operand *x, *indices, *out;
  index_axis axis;
  int64_t run;  /* neighbours that one index is for: elements that are copied together */
  cursor lines; /* offsets of x, indices, out; without the axis, and without the run */
  int64_t n, x_stride, index_stride, out_stride; /* along the axis */
  int64_t count, lines_per_piece;
} gather_axis_job;

static void gather_line(const gather_axis_job *j, const char *from, const char *indices, char *to) {
  int64_t tile[TILE], size = (int64_t)pons_dtype_size(j->x->dtype);
  const bool alone = j->run == 1;
  for (int64_t at = 0; at < j->n; at += TILE) {
    int64_t n = smaller(j->n - at, TILE);
    indices_load(j->indices->dtype, element(indices, j->indices->dtype, at * j->index_stride),
                 j->index_stride, n, &j->axis, tile);
    for (int64_t i = 0; alone && i < n; i++)
      memcpy(to + (at + i) * j->out_stride * size, from + tile[i] * j->x_stride * size, (size_t)size);
    for (int64_t i = 0; !alone && i < n; i++)
      memcpy(to + (at + i) * j->out_stride * size, from + tile[i] * j->x_stride * size, (size_t)(j->run * size));
  }
}

static void gather_axis_piece(void *context, int64_t piece) {
  const gather_axis_job *j = context;
  cursor lines = j->lines;
  int64_t line = piece * j->lines_per_piece, end = smaller(line + j->lines_per_piece, j->count);
  cursor_to(&lines, line);
  for (; line < end; line++, cursor_next(&lines))
    gather_line(j, element(j->x->data, j->x->dtype, lines.offset[0]),
                element(j->indices->data, j->indices->dtype, lines.offset[1]),
                element(j->out->data, j->out->dtype, lines.offset[2]));
}

error *cpu_gather_axis(const launch *l) {
  int axis = ((const axis_params *)l->params)->axis;
  const operand *x = &l->in[0], *indices = &l->in[1], *out = l->out;
  gather_axis_job j = {.x = x, .indices = indices, .out = out, .axis = {axis, x->shape[axis], 1}};
  error *why = indices_check("take_along_axis", indices, &j.axis);
  if (why || !operand_size(out)) return why;
  int64_t dims[PONS_MAX_NDIM], x_strides[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  shape_row_major(out->ndim, out->shape, strides);
  for (int d = 0; d < out->ndim; d++) {
    dims[d] = d == axis ? 1 : out->shape[d];
    x_strides[d] = x->shape[d] == 1 ? 0 : x->strides[d];
  }
  j.lines = cursor_new(out->ndim, dims, 3, x_strides, indices->strides, strides);
  cursor runs = j.lines;
  int64_t steps[3];
  j.run = cursor_take_last(&runs, steps);
  if (j.run > 1 && steps[0] == 1 && steps[1] == 0 && steps[2] == 1) j.lines = runs;
  else j.run = 1;
  j.n = out->shape[axis];
  j.x_stride = x->strides[axis], j.index_stride = indices->strides[axis], j.out_stride = strides[axis];
  j.count = cursor_size(&j.lines);
  j.lines_per_piece = turns_per_piece(j.count, j.n * j.run);
  parallel_for(pieces_of(j.count, j.lines_per_piece), gather_axis_piece, &j);
  return NULL;
}
