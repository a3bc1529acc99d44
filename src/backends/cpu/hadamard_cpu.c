/* hadamard_cpu.c: "Hadamard" over the last axis, a line of lanes at a time. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"

typedef struct hadamard_job {
  const operand *x;
  char *out;
  cursor lines;
  int64_t n, stride, count, per_piece;
  int m;
  float scale;
  float signs[28 * 28];
  error *_Atomic why;
} hadamard_job;

static void hadamard_piece(void *context, int64_t piece) {
  hadamard_job *j = context;
  const pons_dtype d = j->x->dtype;
  error *why = NULL, *none = NULL;
  buffer *room = buffer_new((size_t)j->n * lane_size(lane_of(d)), "hadamard_transform", &why);
  if (!room) {
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  void *line = buffer_data(room);
  int64_t at = piece * j->per_piece, end = smaller(at + j->per_piece, j->count);
  cursor lines;
  cursor_copy(&lines, &j->lines);
  for (cursor_to(&lines, at); at < end; at++, cursor_next(&lines)) {
    cpu_lanes()->load[d](element(j->x->data, d, lines.offset[0]), j->stride, j->n, line);
    if (d == PONS_FLOAT64) cpu_hadamard_loops()->transform_double(line, j->m, j->n, j->scale, j->signs);
    else cpu_hadamard_loops()->transform_float(line, j->m, j->n, j->scale, j->signs);
    cpu_lanes()->store[d](line, j->n, element(j->out, d, at * j->n), 1);
  }
  buffer_release(room);
}

error *cpu_hadamard(const launch *l) {
  const operand *x = l->in;
  const int last = x->ndim - 1;
  hadamard_job j = {.x = x, .out = l->out->data, .n = x->shape[last], .stride = x->strides[last]};
  j.scale = ((const hadamard_params *)l->params)->scale;
  j.m = hadamard_factor(j.n);
  for (int i = 0; i < j.m * j.m; i++) j.signs[i] = (float)hadamard_sign(j.m, i / j.m, i % j.m);
  j.lines = cursor_new(last, x->shape, 1, x->strides);
  j.count = cursor_size(&j.lines);
  j.per_piece = turns_per_piece(j.count, 4 * j.n);
  parallel_for(pieces_of(j.count, j.per_piece), hadamard_piece, &j);
  return atomic_load(&j.why);
}
