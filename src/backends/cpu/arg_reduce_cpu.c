/* arg_reduce_cpu.c: "ArgReduce": where the first of the greatest or least along an axis stands. A NaN wins
   over any number.

   A tile's winner is found by the vector loops, then its place by looking for it. Uses cpu/lanes.h,
   cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"

typedef struct arg_job {
  const operand *x;
  int kind; /* REDUCE_MIN, REDUCE_MAX */
  lane lane;
  cursor lines;
  int64_t n, stride; /* of a line */
  int64_t count, lines_per_piece;
  uint32_t *out;
} arg_job;

#define EQUAL(a, b) ((a) == (b) || ((a) != (a) && (b) != (b)))
#define EQUAL_COMPLEX(a, b) (EQUAL((a).re, (b).re) && EQUAL((a).im, (b).im))
#define FIND(name, type, SAME)                                                       \
  static int64_t find_##name(const void *lanes, int64_t n, const lane_value *value) { \
    const type *x = lanes, *wanted = (const type *)(const void *)value;              \
    int64_t i = 0;                                                                   \
    while (i < n && !SAME(x[i], *wanted)) i++;                                       \
    return i;                                                                        \
  }
FIND(float, float, EQUAL)
FIND(double, double, EQUAL)
FIND(int, int64_t, EQUAL)
FIND(uint, uint64_t, EQUAL)
FIND(complex, complex64, EQUAL_COMPLEX)
FIND(wide, complex128, EQUAL_COMPLEX)
static int64_t (*const find[LANE_KINDS])(const void *, int64_t, const lane_value *) = {
    find_float, find_double, find_int, find_uint, find_complex, find_wide};

static int64_t winner(const arg_job *j, const char *line) {
  const reduce_loops *loops = cpu_reduce_loops();
  lane_value tile[TILE], best, candidate, both;
  int64_t at_best = 0, size = (int64_t)pons_dtype_size(j->x->dtype);
  for (int64_t at = 0; at < j->n; at += TILE) {
    int64_t n = smaller(j->n - at, TILE);
    const void *lanes = lanes_at(j->x->dtype, line + at * j->stride * size, j->stride, n, tile);
    loops->fold[j->kind][j->lane](lanes, n, &candidate);
    both = best;
    if (at) loops->columns[j->kind][j->lane](&candidate, 0, 1, 1, &both);
    if (at && find[j->lane](&both, 1, &best) == 0) continue; /* the earlier one stays */
    best = candidate;
    at_best = at + find[j->lane](lanes, n, &candidate);
  }
  return at_best;
}

static void arg_piece(void *context, int64_t piece) {
  const arg_job *j = context;
  cursor lines = j->lines;
  int64_t line = piece * j->lines_per_piece, end = smaller(line + j->lines_per_piece, j->count);
  cursor_to(&lines, line);
  for (; line < end; line++, cursor_next(&lines))
    j->out[line] = (uint32_t)winner(j, element(j->x->data, j->x->dtype, lines.offset[0]));
}

error *cpu_arg_reduce(const launch *l) {
  const arg_reduce_params *p = l->params;
  const operand *x = l->in;
  int64_t dims[PONS_MAX_NDIM], count = operand_size(l->out);
  if (!count) return NULL;
  arg_job j = {.x = x,
               .kind = p->kind == ARG_MIN ? REDUCE_MIN : REDUCE_MAX,
               .lane = lane_of(x->dtype),
               .out = l->out->data};
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  dims[p->axis] = 1;
  j.lines = cursor_new(x->ndim, dims, 1, x->strides);
  j.n = x->shape[p->axis];
  j.stride = x->strides[p->axis];
  j.count = count;
  j.lines_per_piece = turns_per_piece(count, j.n);
  parallel_for(pieces_of(count, j.lines_per_piece), arg_piece, &j);
  return NULL;
}
