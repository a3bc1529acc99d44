/* conv_windows_gpu.c: "Convolution" by a library for products. What the kernel meets at each place of the result (conv_windows.kc) is
   written to memory, as many lines at a time as MOST_BYTES hold, and multiplied by the weights as they lie. A gradient of the weights
   is a convolution whose kernel is as large as the input, with few places: its long sums are cut into parts, side by side, which are
   then added, all in float32 at least. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_conv_windows[];

/* TILE_ROWS, TILE_COLUMNS, ENOUGH_TILES: what a library's kernel has of the result in a group, groups that keep a large device busy. */
enum {
  MOST_AXES = 4,
  LINES_EACH = 4, /* EACH of the kernel */
  MOST_BYTES = 128 << 20,
  MOST_CHUNKS = 32,
  LEAST_SIDE = 16,
  LEAST_WORK = 1 << 22, /* multiply-adds */
  TILE_ROWS = 128,
  TILE_COLUMNS = 64,
  ENOUGH_TILES = 256,
  LEAST_SUM = 512 /* elements of a part's sums */
};

/* As the kernel has the numbers of an axis. */
typedef struct spatial {
  int64_t outer, inner, outer_step, inner_step, first, size, dilation, step;
} spatial;

/* In each group (rows, k) times (k, columns). The left matrix lies in lines: rows, where channels lie side by side in x, or k, where
   batches do (`turned`), and then its rows have the batch innermost. */
typedef struct windows {
  bool turned, spread;
  int axes;
  int64_t groups, rows, k, columns;
  int64_t lines, length; /* of a line */
  int64_t outer_size, outer_step, inner_size, inner_step, group_step;
  spatial axis[MOST_AXES];
  bool is_x;         /* x itself is the matrix */
  int64_t line_step; /* then */
  int64_t chunk;     /* lines at a time */
  bool copies;       /* the weights don't lie as a matrix */
  int64_t w_group, w_k, w_column; /* strides of the matrix of weights */
} windows;

static int64_t at_least_one(int64_t n) { return n < 1 ? 1 : n; }

/* ---- the two matrices ---- */

static void add_axes(windows *s, const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  s->lines = s->outer_size, s->length = s->inner_size;
  for (int d = 0; d < s->axes; d++) {
    const int64_t places = l->out->shape[d + 1], taps = w->shape[d + 1], dilation = p->kernel_dilation.at[d];
    const int64_t tap_step = p->flip ? -dilation : dilation, place_step = p->stride.at[d];
    s->axis[d] = (spatial){.outer = s->turned ? taps : places,
                           .inner = s->turned ? places : taps,
                           .outer_step = s->turned ? tap_step : place_step,
                           .inner_step = s->turned ? place_step : tap_step,
                           .first = (p->flip ? (taps - 1) * dilation : 0) - p->pad_lo.at[d],
                           .size = x->shape[d + 1],
                           .dilation = p->input_dilation.at[d],
                           .step = x->strides[d + 1]};
    s->spread |= p->input_dilation.at[d] != 1;
    s->lines *= s->axis[d].outer;
    s->length *= s->axis[d].inner;
  }
}

/* Is each line one element of x at each of its spatial places, line after line at even steps? */
static void find_whole(windows *s) {
  int64_t sizes[MOST_AXES + 1] = {s->outer_size}, strides[MOST_AXES + 1] = {s->outer_step};
  int64_t *lists[] = {strides};
  for (int d = 0; d < s->axes; d++) {
    const spatial *a = &s->axis[d];
    if (a->inner != 1 || a->outer != a->size || a->outer_step != 1 || a->first != 0 || a->dilation != 1) return;
    sizes[d + 1] = a->size, strides[d + 1] = a->step;
  }
  const int n = shape_collapse(s->axes + 1, sizes, 1, lists);
  s->line_step = n ? strides[0] : s->length;
  s->is_x = n <= 1 && s->inner_step == 1 && s->line_step >= s->length;
}

/* The axes of the weights in the order of k, behind that of the columns. */
static operand ordered_weights(const windows *s, const operand *w, int64_t *shape, int64_t *strides) {
  const int n = w->ndim;
  for (int i = 0; i < n; i++) {
    const int from = !s->turned || i == 0 ? i : i == 1 ? n - 1 : i - 1;
    shape[i] = w->shape[from], strides[i] = w->strides[from];
  }
  return (operand){w->data, w->dtype, n, shape, strides};
}

static void lay_weights(windows *s, const operand *w) {
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], *lists[] = {strides + 1};
  ordered_weights(s, w, shape, strides);
  const int n = shape_collapse(w->ndim - 1, shape + 1, 1, lists);
  s->w_k = n ? strides[1] : 1, s->w_column = strides[0];
  s->copies = n > 1 || !((s->w_k == 1 && s->w_column >= s->k) || (s->w_column == 1 && s->w_k >= s->columns));
  if (s->copies) s->w_k = 1, s->w_column = s->k;
  s->w_group = s->columns * s->w_column;
}

static void set_chunk(windows *s, size_t element) {
  const int64_t bytes = s->length * s->groups * (int64_t)element;
  int64_t chunks = (s->lines * bytes + MOST_BYTES - 1) / MOST_BYTES;
  if (s->turned && chunks > MOST_CHUNKS) chunks = MOST_CHUNKS; /* each leaves sums of its own */
  s->chunk = s->lines;
  if (s->is_x || chunks <= 1) return;
  s->chunk = at_least_one(s->lines / chunks);
  s->chunk = round_up(s->chunk, TILE_ROWS);
  if (s->chunk > s->lines) s->chunk = s->lines;
}

static windows windows_of(const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  const int last = x->ndim - 1;
  const int64_t channels = w->shape[last];
  windows s = {.axes = x->ndim - 2, .groups = p->groups, .columns = w->shape[0] / p->groups};
  s.turned = x->strides[0] < x->strides[last];
  s.rows = shape_size(last, l->out->shape);
  s.k = shape_size(last, w->shape + 1);
  s.outer_size = s.turned ? channels : x->shape[0], s.outer_step = x->strides[s.turned ? last : 0];
  s.inner_size = s.turned ? x->shape[0] : channels, s.inner_step = x->strides[s.turned ? 0 : last];
  s.group_step = channels * x->strides[last];
  add_axes(&s, l);
  find_whole(&s);
  lay_weights(&s, w);
  set_chunk(&s, pons_dtype_size(x->dtype));
  return s;
}

/* Parts that the sums of so many lines are cut into. */
static int64_t parts_of(const windows *s, int64_t lines) {
  const int64_t rows = s->turned ? s->rows : lines, k = s->turned ? lines : s->k;
  const int64_t tiles = ceiling(rows, TILE_ROWS) * ceiling(s->columns, TILE_COLUMNS) * s->groups;
  int64_t parts = ENOUGH_TILES / tiles;
  if (parts > k / LEAST_SUM) parts = k / LEAST_SUM;
  while (parts > 1 && k % parts != 0) parts--;
  return at_least_one(parts);
}

/* Of all chunks; `turned` alone adds those of one to those of another. */
static int64_t all_parts(const windows *s) {
  const int64_t whole = s->lines / s->chunk, rest = s->lines % s->chunk;
  if (!s->turned) return parts_of(s, s->chunk);
  return whole * parts_of(s, s->chunk) + (rest ? parts_of(s, rest) : 0);
}

/* ---- a product ---- */

typedef struct side {
  location at;
  int64_t shape[4], strides[4]; /* groups, parts, a matrix */
} side;

typedef struct product {
  side a, b, y;
  operand in[2], out;
  launch l;
} product;

static operand operand_of(side *s, pons_dtype d) { return (operand){&s->at, d, 4, s->shape, s->strides}; }

/* Where the matrices begin, of which a product takes some lines; `sums`: of parts, to be added; else the result itself. */
typedef struct places {
  location a, b, y;
  bool sums;
} places;

static pons_dtype result_dtype(const places *at, pons_dtype d) { return at->sums ? gpu_wide_dtype(d) : d; }

static location moved(location at, int64_t elements, pons_dtype d) {
  at.offset += elements * (int64_t)pons_dtype_size(d);
  return at;
}

/* So many lines from `first` on; `part`: the first of their parts. */
static void set_product(product *p, const windows *s, const places *at, pons_dtype d, int64_t first, int64_t lines, int64_t part) {
  const int64_t parts = at->sums ? parts_of(s, lines) : 1, rows = s->turned ? s->rows : lines, k = (s->turned ? lines : s->k) / parts;
  const int64_t line = s->is_x ? s->line_step : s->length, row = s->turned ? 1 : line, inner = s->turned ? line : 1;
  p->a = (side){moved(at->a, s->is_x ? first * line : 0, d),
                {s->groups, parts, rows, k},
                {s->is_x ? s->group_step : lines * line, k * inner, row, inner}};
  p->b = (side){moved(at->b, s->turned ? first * s->w_k : 0, d),
                {s->groups, parts, k, s->columns},
                {s->w_group, k * s->w_k, s->w_k, s->w_column}};
  const int64_t y_row = at->sums ? s->columns : s->groups * s->columns, sum = s->groups * s->rows * s->columns;
  p->y = (side){moved(at->y, (s->turned ? 0 : first * y_row) + part * sum, result_dtype(at, d)),
                {s->groups, parts, rows, s->columns},
                {at->sums ? s->rows * s->columns : s->columns, sum, y_row, 1}};
  p->in[0] = operand_of(&p->a, d), p->in[1] = operand_of(&p->b, d), p->out = operand_of(&p->y, result_dtype(at, d));
  p->l = (launch){.n_in = 2, .n_out = 1, .in = p->in, .out = &p->out};
}

static bool needs_sums(const windows *s) { return s->turned || all_parts(s) > 1; }

/* ---- is it taken ---- */

const char *gpu_refuses_conv_windows(const gpu_backend *b, const launch *l) {
  const char *why = b->refuses_multiply ? gpu_refuses_conv(b, l) : "there is no library for products";
  if (why) return why;
  const windows s = windows_of(l);
  const double work = (double)s.rows * (double)s.k * (double)s.columns * (double)s.groups;
  if (s.rows < LEAST_SIDE || s.k < LEAST_SIDE || s.columns < LEAST_SIDE || work < LEAST_WORK) return "it is too small to be a product";
  const places nowhere = {.sums = needs_sums(&s)};
  const int64_t rest = s.lines % s.chunk;
  product p;
  set_product(&p, &s, &nowhere, l->out->dtype, 0, s.chunk, 0);
  why = b->refuses_multiply(&p.l);
  if (why || !rest) return why;
  set_product(&p, &s, &nowhere, l->out->dtype, 0, rest, 0);
  return b->refuses_multiply(&p.l);
}

/* ---- running ---- */

/* Elements at once: 16 bytes of them, where they lie so, or one. */
static int width_of(const windows *s, const operand *x) {
  const int64_t width = GPU_WIDE / (int64_t)pons_dtype_size(x->dtype);
  bool fits = gpu_is_aligned(x, GPU_WIDE) && s->inner_step == 1 && s->inner_size % width == 0 && s->outer_step % width == 0 &&
              (s->groups == 1 || s->group_step % width == 0);
  for (int d = 0; d < s->axes; d++) fits = fits && s->axis[d].step % width == 0;
  return fits ? (int)width : 1;
}

static error *write_windows(const gpu_backend *b, const windows *s, const operand *x, const operand *to, int64_t first, int64_t lines) {
  const int width = width_of(s, x);
  const int64_t across = s->length / width, threads = s->groups * ceiling(lines, LINES_EACH) * across;
  gpu_call c = gpu_call_for(b, to);
  gpu_define_dtype(&c, "X", gpu_moved_as(x->dtype));
  gpu_define(&c, "AXES", s->axes);
  gpu_define(&c, "WIDTH", width);
  if (s->spread) gpu_define_text(&c, "SPREAD", "");
  gpu_written(&c, to);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  const int64_t numbers[] = {threads,       across,        lines,           first, s->inner_size / width,
                             s->outer_step, s->inner_step, s->group_step};
  gpu_number_list(&c, 8, numbers);
  for (int d = 0; d < s->axes; d++) {
    const spatial *a = &s->axis[d];
    const int64_t of_axis[] = {a->outer, a->inner, a->outer_step, a->inner_step, a->first, a->size, a->dilation, a->step};
    gpu_number_list(&c, 8, of_axis);
  }
  gpu_one_each(&c, threads);
  return gpu_run(&c, kernel_conv_windows, "conv_windows");
}

static error *copy_weights(const gpu_backend *b, const windows *s, const operand *w, location *to) {
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], row_major[PONS_MAX_NDIM];
  const operand from = ordered_weights(s, w, shape, strides);
  shape_row_major(from.ndim, shape, row_major);
  return gpu_copy_to(b, &from, &(operand){to, w->dtype, from.ndim, shape, row_major});
}

/* [parts][groups][rows][columns] to the result, whose rows are batches and then places. */
static error *add_sums(const gpu_backend *b, const windows *s, location *sums, const operand *out) {
  const int64_t batch = out->shape[0], each = s->rows / batch, columns = s->columns;
  const int64_t shape[] = {all_parts(s), batch, each, s->groups, columns}, of_result[] = {1, batch, each, s->groups, columns};
  const int64_t strides[] = {s->groups * s->rows * columns, s->turned ? columns : each * columns, s->turned ? batch * columns : columns,
                             s->rows * columns, 1};
  int64_t row_major[5];
  shape_row_major(5, of_result, row_major);
  const operand from = {sums, gpu_wide_dtype(out->dtype), 5, shape, strides}, to = {out->data, out->dtype, 5, of_result, row_major};
  const reduce_params params = {REDUCE_SUM, {1, (const int64_t[]){0}}};
  return gpu_reduce(b, &(launch){&params, 1, 1, &from, &to});
}

/* *part: the first of theirs, and then of those behind. */
static error *multiply_lines(const gpu_backend *b, const windows *s, const places *at, pons_dtype d, int64_t first, int64_t lines,
                             int64_t *part) {
  product p;
  set_product(&p, s, at, d, first, lines, *part);
  if (s->turned) *part += p.a.shape[1];
  return b->multiply(&p.l);
}

static error *multiply_chunks(const gpu_backend *b, const windows *s, const operand *x, places *at) {
  error *why = NULL;
  int64_t part = 0;
  for (int64_t first = 0; first < s->lines && !why; first += s->chunk) {
    const int64_t left = s->lines - first, lines = left < s->chunk ? left : s->chunk;
    const int64_t all = s->groups * lines * s->length, one = 1;
    const operand to = {&at->a, x->dtype, 1, &all, &one};
    if (!s->is_x) why = write_windows(b, s, x, &to, first, lines);
    if (!why) why = multiply_lines(b, s, at, x->dtype, first, lines, &part);
  }
  return why;
}

error *gpu_conv_windows(const gpu_backend *b, const launch *l) {
  const operand *x = &l->in[0], *w = &l->in[1], *out = l->out;
  const windows s = windows_of(l);
  const pons_dtype d = out->dtype;
  const location *result = out->data;
  location made[3] = {0};
  const bool sums = needs_sums(&s);
  error *why = s.is_x ? NULL : gpu_room_take(b, &made[0], out, s.groups * s.chunk * s.length, d);
  if (!why && s.copies) why = gpu_room_take(b, &made[1], out, shape_size(w->ndim, w->shape), d);
  if (!why && sums) why = gpu_room_take(b, &made[2], out, all_parts(&s) * s.groups * s.rows * s.columns, gpu_wide_dtype(d));
  places at = {s.is_x ? *(const location *)x->data : made[0], s.copies ? made[1] : *(const location *)w->data,
                     sums ? made[2] : *result, sums};
  if (!why && s.copies) why = copy_weights(b, &s, w, &made[1]);
  if (!why) why = multiply_chunks(b, &s, x, &at);
  if (!why && sums) why = add_sums(b, &s, &made[2], out);
  for (int i = 0; i < 3; i++) gpu_room_give(b, &made[i]);
  return why == error_declined() ? gpu_conv(b, l) : why; /* a text that was not built ahead, and no compiler */
}
