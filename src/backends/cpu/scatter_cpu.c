/* scatter_cpu.c: "Scatter" (slices combined in where index arrays say), "ScatterAxis" (an index for each
   update) and "MaskedScatter".

   Updates of one place happen in the order of the indices: the last of several replacements stays. Uses
   cpu/indices.h. */
#include "backends/cpu/indices.h"

/* ---- Scatter ---- */

/* Slices may overlap, so they follow each other on one thread. */
static void scatter_slices(const launch *l, const int64_t *offsets, const int64_t *strides) {
  const scatter_params *p = l->params;
  const operand *out = l->out, *updates = &l->in[l->n_in - 1];
  int places = updates->ndim - out->ndim;
  pons_dtype d = out->dtype;
  int64_t row[2], count = shape_size(places, updates->shape);
  cursor place = cursor_new(places, updates->shape, 1, updates->strides);
  cursor rows = cursor_new(out->ndim, updates->shape + places, 2, strides, updates->strides + places);
  if (!cursor_size(&rows)) return;
  int64_t n = cursor_take_last(&rows, row), row_count = cursor_size(&rows);
  cursor_to(&place, 0);
  for (int64_t i = 0; i < count; i++, cursor_next(&place)) {
    cursor_to(&rows, 0);
    for (int64_t r = 0; r < row_count; r++, cursor_next(&rows))
      update_line(p->kind, d, element(out->data, d, offsets[i] + rows.offset[0]), row[0],
                  element(updates->data, d, place.offset[0] + rows.offset[1]), row[1], n);
  }
}

error *cpu_scatter(const launch *l) {
  const scatter_params *p = l->params;
  const operand *out = l->out, *updates = &l->in[l->n_in - 1];
  int places = updates->ndim - out->ndim;
  index_axis axes[PONS_MAX_NDIM];
  int64_t strides[PONS_MAX_NDIM], index_strides[PONS_MAX_NDIM];
  shape_row_major(out->ndim, out->shape, strides);
  for (int k = 0; k < p->axes.n; k++) {
    int axis = (int)p->axes.at[k];
    axes[k] = (index_axis){axis, out->shape[axis], updates->shape[places + axis]};
    index_strides[k] = strides[axis];
  }
  error *why = NULL;
  buffer *offsets = indices_offsets("scatter", l->in + 1, p->axes.n, axes, index_strides, &why);
  if (!offsets) return why;
  cpu_copy_packed(out->data, &l->in[0]);
  scatter_slices(l, buffer_data(offsets), strides);
  buffer_release(offsets);
  return NULL;
}

/* ---- ScatterAxis ---- */

typedef struct scatter_axis_job {
  const operand *indices, *updates, *out;
  int mode;
  index_axis axis;
  cursor lines; /* offsets of out, indices, updates; without the axis */
  int64_t n, out_stride, index_stride, update_stride; /* along the axis */
  int64_t count, lines_per_piece;
} scatter_axis_job;

static void scatter_line(const scatter_axis_job *j, char *to, const char *indices, const char *updates) {
  int64_t tile[TILE];
  pons_dtype d = j->out->dtype;
  for (int64_t at = 0; at < j->n; at += TILE) {
    int64_t n = smaller(j->n - at, TILE);
    indices_load(j->indices->dtype, element(indices, j->indices->dtype, at * j->index_stride),
                 j->index_stride, n, &j->axis, tile);
    for (int64_t i = 0; i < n; i++)
      update_line(j->mode, d, element(to, d, tile[i] * j->out_stride), 1,
                  element(updates, d, (at + i) * j->update_stride), 1, 1);
  }
}

static void scatter_axis_piece(void *context, int64_t piece) {
  const scatter_axis_job *j = context;
  cursor lines = j->lines;
  int64_t line = piece * j->lines_per_piece, end = smaller(line + j->lines_per_piece, j->count);
  cursor_to(&lines, line);
  for (; line < end; line++, cursor_next(&lines))
    scatter_line(j, element(j->out->data, j->out->dtype, lines.offset[0]),
                 element(j->indices->data, j->indices->dtype, lines.offset[1]),
                 element(j->updates->data, j->updates->dtype, lines.offset[2]));
}

error *cpu_scatter_axis(const launch *l) {
  const scatter_axis_params *p = l->params;
  const operand *indices = &l->in[1], *updates = &l->in[2], *out = l->out;
  scatter_axis_job j = {
      .indices = indices, .updates = updates, .out = out, .axis = {p->axis, out->shape[p->axis], 1}};
  error *why =
      indices_check(p->kind == SCATTER_AXIS_SUM ? "scatter_add_axis" : "put_along_axis", indices, &j.axis);
  if (why) return why;
  cpu_copy_packed(out->data, &l->in[0]);
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], update_strides[PONS_MAX_NDIM];
  shape_row_major(out->ndim, out->shape, strides);
  for (int d = 0; d < out->ndim; d++) {
    dims[d] = d == p->axis ? 1 : indices->shape[d];
    update_strides[d] = updates->shape[d] == 1 ? 0 : updates->strides[d];
  }
  j.mode = p->kind == SCATTER_AXIS_SUM ? PONS_SCATTER_SUM : PONS_SCATTER_NONE;
  j.lines = cursor_new(out->ndim, dims, 3, strides, indices->strides, update_strides);
  j.n = indices->shape[p->axis];
  j.out_stride = strides[p->axis], j.index_stride = indices->strides[p->axis],
  j.update_stride = update_strides[p->axis];
  j.count = cursor_size(&j.lines);
  if (!j.count || !j.n) return NULL;
  j.lines_per_piece = turns_per_piece(j.count, 8 * j.n);
  parallel_for(pieces_of(j.count, j.lines_per_piece), scatter_axis_piece, &j);
  return NULL;
}

/* ---- MaskedScatter ---- */

/* The k-th true of a batch entry's mask takes the k-th element of its source. */
static error *scatter_masked(const operand *mask, const operand *source, int64_t entry, char *to,
                             size_t size) {
  int64_t first = entry * mask->strides[0], last = entry * source->strides[0], used = 0;
  cursor m = cursor_new(mask->ndim - 1, mask->shape + 1, 1, mask->strides + 1);
  cursor s = cursor_new(source->ndim - 1, source->shape + 1, 1, source->strides + 1);
  int64_t count = cursor_size(&m), given = cursor_size(&s);
  cursor_to(&m, 0);
  cursor_to(&s, 0);
  for (int64_t i = 0; i < count; i++, cursor_next(&m)) {
    if (!((const char *)mask->data)[first + m.offset[0]]) continue;
    if (used++ == given)
      return fail("masked_scatter",
                  "the mask has more than %lld true places, the source %s has only so many elements",
                  (long long)given, shape_text(source->ndim, source->shape));
    memcpy(to + (size_t)i * size, (const char *)source->data + (last + s.offset[0]) * (int64_t)size, size);
    cursor_next(&s);
  }
  return NULL;
}

error *cpu_masked_scatter(const launch *l) {
  const operand *out = l->out;
  size_t size = pons_dtype_size(out->dtype);
  if (!operand_size(out)) return NULL;
  cpu_copy_packed(out->data, &l->in[0]);
  size_t entry_bytes = (size_t)(operand_size(out) / out->shape[0]) * size;
  for (int64_t entry = 0; entry < out->shape[0]; entry++) {
    error *why =
        scatter_masked(&l->in[1], &l->in[2], entry, (char *)out->data + (size_t)entry * entry_bytes, size);
    if (why) return why;
  }
  return NULL;
}
