/* hadamard_gpu.c: "Hadamard" by hadamard.kc. Lines that fit local memory are transformed there. A longer one is a table, whose rows, powers of two,
   are transformed first, then, in one step or several, its columns. Narrow floats are float32 between. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_hadamard[];

enum { MOST_BYTES = 1 << 14, MOST_LINES = 16, THREADS = 128, LOCAL_NEEDED = MOST_BYTES + MOST_LINES * 8 };

/* Transforms of lines, all from x to y, which may be the same memory if lines lie alike in both. */
typedef struct step {
  const gpu_backend *backend;
  const operand *x, *y;
  gpu_walk lines; /* x, y */
  int64_t n, step_x, step_y;
  int rows; /* by which n is a multiple of a power of two */
  float scale;
} step;

static int64_t most_of(pons_dtype d) { return MOST_BYTES / (d == PONS_FLOAT64 ? 8 : 4); }

/* Neighbouring columns are read together, 32 bytes at least; beyond that groups are to be many. */
enum { LEAST_COLUMNS = 8, MANY_GROUPS = 512 };
static int64_t lines_of_group(const step *s, int64_t total, bool in_columns) {
  int64_t lines = MOST_LINES;
  while (lines * s->n > most_of(s->x->dtype)) lines /= 2;
  while (lines > (in_columns ? LEAST_COLUMNS : 1) && ceiling(total, lines) < MANY_GROUPS) lines /= 2;
  return lines;
}

static error *run_step(const step *s) {
  const int64_t total = gpu_walk_size(&s->lines);
  int64_t lines = lines_of_group(s, total, s->step_x != 1 || s->step_y != 1);
  gpu_call c = gpu_call_for(s->backend, s->y);
  c.group[0] = gpu_group_for(&c, s->n * lines, THREADS);
  while (lines > c.group[0]) lines /= 2;
  gpu_define_dtype(&c, "X", s->x->dtype);
  gpu_define_dtype(&c, "Y", s->y->dtype);
  gpu_define_text(&c, "A_value", s->x->dtype == PONS_FLOAT64 ? "double" : "float");
  gpu_define(&c, "MOST_HADAMARD", most_of(s->x->dtype));
  gpu_define(&c, "MOST_LINES", MOST_LINES);
  gpu_written(&c, s->y);
  gpu_read(&c, s->x);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->n);
  gpu_number(&c, s->step_x);
  gpu_number(&c, s->step_y);
  gpu_number(&c, s->rows);
  gpu_number_float(&c, s->scale);
  gpu_number(&c, 0);
  gpu_number(&c, total);
  gpu_number(&c, lines);
  gpu_number(&c, s->step_x != 1);
  gpu_number(&c, s->step_y != 1);
  for (int i = 0; i < s->rows; i++) {
    int64_t signs = 0;
    for (int j = 0; j < s->rows; j++) signs |= (int64_t)(hadamard_sign(s->rows, i, j) < 0) << j;
    gpu_number(&c, signs);
  }
  gpu_number_walk(&c, 5, &s->lines);
  c.groups[0] = ceiling(total, lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_hadamard, "hadamard");
}

/* ---- long lines ---- */

/* A table's rows: as long as they may be, but for some elements in a column. */
enum { SHORT_COLUMN = 32, LONG_COLUMN = 512 };
static int64_t row_of(int64_t n, int factor, int64_t most) {
  int64_t row = n / factor;
  while (row > most || n / row < SHORT_COLUMN) row /= 2;
  return row;
}

/* Of a column, what is transformed at once: all of it, or a power of two. */
static int64_t part_of_column(int64_t column, int factor) {
  if (column <= LONG_COLUMN) return column;
  int64_t part = column / factor;
  while (part > LONG_COLUMN || part * part > column) part /= 2;
  return part;
}

/* Of all columns of tables with rows of `row` elements, in order in `from`; it holds what is between steps. */
static error *transform_columns(const step *whole, const operand *from, int64_t row) {
  const int64_t count = shape_size(from->ndim, from->shape);
  int64_t left = whole->n / row;
  error *why = NULL;
  while (left > 1 && !why) {
    const int64_t n = part_of_column(left, whole->rows);
    const bool is_last = n == left;
    const int64_t sizes[2] = {count / (n * row), row}, strides[2] = {n * row, 1};
    step s = *whole;
    s.x = from;
    s.y = is_last ? whole->y : from;
    s.lines = gpu_walk_of(2, sizes, 2, (const int64_t *const[]){strides, strides});
    s.n = n;
    s.step_x = s.step_y = row;
    if (!is_last) s.rows = 1, s.scale = 1;
    why = run_step(&s);
    left /= n;
    row *= n;
  }
  return why;
}

/* Rows to `between`, which lies as y does. */
static error *transform_long(const step *whole, const operand *x, const operand *between) {
  const int last = x->ndim - 1;
  const int64_t row = row_of(whole->n, whole->rows, most_of(x->dtype));
  int64_t sizes[PONS_MAX_NDIM], of_x[PONS_MAX_NDIM], of_y[PONS_MAX_NDIM];
  shape_row_major(x->ndim, x->shape, of_y);
  for (int d = 0; d < last; d++) sizes[d] = x->shape[d], of_x[d] = x->strides[d];
  sizes[last] = whole->n / row;
  of_x[last] = row * x->strides[last];
  of_y[last] = row;
  step s = *whole;
  s.y = between;
  s.lines = gpu_walk_of(x->ndim, sizes, 2, (const int64_t *const[]){of_x, of_y});
  s.n = row;
  s.rows = 1;
  s.scale = 1;
  error *why = run_step(&s);
  return why ? why : transform_columns(whole, between, row);
}

static error *in_float32(const step *whole, const operand *x) {
  location at;
  error *why = gpu_room_take(whole->backend, &at, whole->y, shape_size(x->ndim, x->shape), PONS_FLOAT32);
  if (why) return why;
  const operand between = {&at, PONS_FLOAT32, whole->y->ndim, whole->y->shape, whole->y->strides};
  why = transform_long(whole, x, &between);
  gpu_room_give(whole->backend, &at);
  return why;
}

/* ---- a launch ---- */

enum { MOST_AXES = 16 }; /* whose sizes and strides, with the signs, are not too many numbers */
const char *gpu_refuses_hadamard(const gpu_backend *b, const launch *l) {
  if (shape_size(l->in->ndim, l->in->shape) == 0) return "there are no elements";
  if (l->in->ndim > MOST_AXES) return "there are too many axes";
  return gpu_common_features(b).local_bytes < LOCAL_NEEDED ? "local memory is too small" : NULL;
}

error *gpu_hadamard(const gpu_backend *b, const launch *l) {
  const operand *x = l->in;
  const int last = x->ndim - 1;
  int64_t strides[PONS_MAX_NDIM];
  operand out = *l->out;
  shape_row_major(out.ndim, out.shape, strides);
  out.strides = strides;
  step s = {.backend = b, .x = x, .y = &out, .n = x->shape[last], .step_x = x->strides[last], .step_y = 1};
  s.rows = hadamard_factor(s.n);
  s.scale = ((const hadamard_params *)l->params)->scale;
  s.lines = gpu_walk_of(last, x->shape, 2, (const int64_t *const[]){x->strides, strides});
  if (s.n <= most_of(x->dtype)) return run_step(&s);
  return pons_dtype_size(x->dtype) < sizeof(float) ? in_float32(&s, x) : transform_long(&s, x, &out);
}
