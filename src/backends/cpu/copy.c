/* copy.c: copies between strided memories.

   Rows along the last axis go in one memcpy where both sides are contiguous. Where only the source's
   neighbours lie along another axis (a transpose), square blocks keep both sides in the cache; those whose rows
   and columns are contiguous are turned in registers. Uses cpu/cursor.h, cpu/lanes.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"

enum { SIDE = 32, TRANSPOSED_BAND = 512, LINE_BYTES = 64 }; /* of a block of a transpose, in elements */
enum { STRIP = 4, STRIP_PAST_CACHE = 1 }; /* in cache lines */

/* One line of n elements. */
static void copy_line(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                      size_t size, bool past_cache) {
  if (to_stride == 1 && from_stride == 1) {
    if (past_cache) cpu_copy_past_cache(to, from, (size_t)n * size);
    else memcpy(to, from, (size_t)n * size);
    return;
  }
  int64_t to_step = to_stride * (int64_t)size, from_step = from_stride * (int64_t)size;
  switch (size) { /* a memcpy of a known size is one move */
#define LINE(bytes) \
  case bytes: \
    for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, bytes); \
    return;
    LINE(1)
    LINE(2)
    LINE(4)
    LINE(8)
    LINE(16)
#undef LINE
  }
}

/* All outer axes are walked by `outer`; the last one or two form a plane. List 0 is the target, list 1 the
   source. */
typedef struct copy_job {
  char *to;
  const char *from;
  size_t size;
  cursor outer;
  int64_t rows, row[2]; /* of a plane: number, and strides */
  int64_t line, step[2]; /* elements of a row, and strides */
  bool transposed, past_cache;
  int64_t bands;  /* pieces of a plane, each `band` rows */
  int64_t band;
  int64_t planes; /* outer.size */
  int64_t planes_per_piece;
} copy_job;

/* Rows from `first` to before `last`, elements from `left` to before `right`, of a transpose. */
static void copy_blocks(const copy_job *j, char *to, const char *from, int64_t first, int64_t last, int64_t left,
                        int64_t right) {
  const int64_t size = (int64_t)j->size;
  for (int64_t r = first; r < last; r += SIDE)
    for (int64_t c = left; c < right; c += SIDE) {
      int64_t width = smaller(right - c, SIDE);
      for (int64_t i = r; i < last && i < r + SIDE; i++)
        copy_line(to + (i * j->row[0] + c * j->step[0]) * size, j->step[0],
                  from + (i * j->row[1] + c * j->step[1]) * size, j->step[1], width, j->size, false);
    }
}

/* The same where both sides are contiguous: a strip of a few cache lines at a time, so that reads and writes both go on
   along their rows; of one line what goes past the caches, whole lines of it, so that fewer rows are read at once. What is left at the
   edges goes as above. */
static void turn_rows(const copy_job *j, turn_block *turn, char *to, const char *from, int64_t first, int64_t last) {
  const int64_t size = (int64_t)j->size, side = LINE_BYTES / size;
  const int64_t end = first + (last - first) / side * side, right = j->line / side * side;
  const int64_t width = (j->past_cache ? STRIP_PAST_CACHE : STRIP) * side;
  const bool whole_lines = ((uintptr_t)to | (uintptr_t)(j->row[0] * size)) % LINE_BYTES == 0;
  for (int64_t strip = 0; strip < right; strip += width)
    for (int64_t r = first; r < end; r += side)
      for (int64_t c = strip; c < right && c < strip + width; c += side)
        turn(to + (r * j->row[0] + c) * size, j->row[0], from + (r + c * j->step[1]) * size, j->step[1],
             j->past_cache && whole_lines);
  copy_blocks(j, to, from, first, end, right, j->line);
  copy_blocks(j, to, from, end, last, 0, j->line);
}

static void copy_rows(const copy_job *j, char *to, const char *from, int64_t first, int64_t last) {
  const int64_t size = (int64_t)j->size;
  turn_block *turn = j->transposed && size <= 8 ? cpu_copy_loops()->turn[size] : NULL;
  if (turn && j->step[0] == 1 && j->row[1] == 1)
    turn_rows(j, turn, to, from, first, last);
  else if (j->transposed)
    copy_blocks(j, to, from, first, last, 0, j->line);
  else
    for (int64_t r = first; r < last; r++)
      copy_line(to + r * j->row[0] * size, j->step[0], from + r * j->row[1] * size, j->step[1], j->line,
                j->size, j->past_cache);
}

static void copy_piece(void *context, int64_t piece) {
  const copy_job *j = context;
  int64_t band = piece % j->bands, plane = piece / j->bands * j->planes_per_piece;
  int64_t end = smaller(plane + j->planes_per_piece, j->planes);
  int64_t first = band * j->band, last = smaller(first + j->band, j->rows);
  cursor c = j->outer;
  cursor_to(&c, plane);
  for (; plane < end; plane++, cursor_next(&c))
    copy_rows(j, j->to + c.offset[0] * (int64_t)j->size, j->from + c.offset[1] * (int64_t)j->size, first,
              last);
  if (j->past_cache) cpu_end_past_cache();
}

/* Moves the axis along which the source's elements are nearest to be the last but one. */
static void choose_plane(cursor *c) {
  int last = c->n - 1, best = last - 1;
  for (int d = 0; d < last; d++)
    if (c->strides[1][d] &&
        (!c->strides[1][best] || magnitude(c->strides[1][d]) < magnitude(c->strides[1][best])))
      best = d;
  if (best == last - 1) return;
  int64_t dim = c->dims[best];
  c->dims[best] = c->dims[last - 1];
  c->dims[last - 1] = dim;
  for (int k = 0; k < 2; k++) {
    int64_t stride = c->strides[k][best];
    c->strides[k][best] = c->strides[k][last - 1];
    c->strides[k][last - 1] = stride;
  }
}

void cpu_copy(void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides, int n,
              const int64_t *shape, size_t size) {
  if (!shape_size(n, shape)) return;
  copy_job j = {
      .to = to, .from = from, .size = size, .outer = cursor_new(n, shape, 2, to_strides, from_strides)};
  j.past_cache = cpu_outgrows_cache((size_t)shape_size(n, shape) * size);
  bool strided = j.outer.n >= 2 && magnitude(j.outer.strides[1][j.outer.n - 1]) > 1;
  if (strided) choose_plane(&j.outer);
  j.line = cursor_take_last(&j.outer, j.step);
  j.rows = cursor_take_last(&j.outer, j.row);
  j.transposed = strided && magnitude(j.row[1]) < magnitude(j.step[1]);
  j.planes = cursor_size(&j.outer);
  if (j.outer.n == 0 && j.rows == 1) { /* one line: cut it, the odd end first */
    int64_t cut = turns_per_piece(j.line, 1), end = j.line % cut, whole = j.line - end;
    copy_line(j.to + whole * j.step[0] * (int64_t)size, j.step[0], j.from + whole * j.step[1] * (int64_t)size,
              j.step[1], end, size, false);
    j.rows = whole / cut;
    for (int k = 0; k < 2; k++) j.row[k] = j.step[k] * cut;
    j.line = cut;
  }
  j.band = turns_per_piece(j.rows, j.line);
  if (j.transposed && j.band < j.rows) j.band = pieces_of(j.band, TRANSPOSED_BAND) * TRANSPOSED_BAND;
  j.bands = pieces_of(j.rows, j.band);
  j.planes_per_piece = j.bands > 1 ? 1 : turns_per_piece(j.planes, j.rows * j.line);
  parallel_for(pieces_of(j.planes, j.planes_per_piece) * j.bands, copy_piece, &j);
}

void cpu_copy_packed(void *to, const operand *x) {
  if (to == x->data) return; /* a result is written over it */
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(x->ndim, x->shape, strides);
  cpu_copy(to, strides, x->data, x->strides, x->ndim, x->shape, pons_dtype_size(x->dtype));
}

const void *cpu_packed(const operand *x, const char *op, buffer **held, error **why) {
  *held = NULL;
  if (shape_is_row_major(x->ndim, x->shape, x->strides)) return x->data;
  *held = buffer_new((size_t)operand_size(x) * pons_dtype_size(x->dtype), op, why);
  if (!*held) return NULL;
  cpu_copy_packed(buffer_data(*held), x);
  return buffer_data(*held);
}
