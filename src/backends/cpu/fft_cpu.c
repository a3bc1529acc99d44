/* fft_cpu.c: "FFT": along one axis after another; a real transform takes its halved axis first, its inverse last.

   Along an axis as many lines are taken at a time as a block has. A line that is long, or one of few, is transformed by
   itself with all threads, as a matrix (Bailey 1990):

       columns of x[columns j + i]  ->  times w^(i k)  ->  rows  ->  X[k + rows l]

   and one of an awkward length as a convolution (Bluestein 1970). A real signal of even length is computed as a
   complex one of half the length. Those of float64 and complex128 are in fft_wide.c. Uses
   cpu/fft_plan.h, cpu/fft_wide.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/fft_wide.h"

/* Blocks of longer lines would not stay in the cache; shorter ones are not worth the matrix. */
enum { LONGEST_BLOCK = 4096, SHORTEST_LONG = 128, FEW = 4 };

/* Elements of one line: floats. */
typedef struct line {
  float *at;
  int64_t step, other; /* as in fft_lines */
  bool real;
} line;

/* An axis of two operands. Real signals are float32, the rest is complex64. */
typedef struct axis_job {
  int64_t n;  /* length of the signal */
  bool inverse, from_real, to_real;
  float scale;
  line in, out;     /* the first line's elements */
  cursor lines;     /* the others', in floats */
  fft_lines from, to; /* how blocks are loaded and stored: pairs of neighbours of a real signal of even length */
  int64_t count, per_piece;
  const fft_plan *plan;  /* of n, or n / 2 of an even real signal */
  const fft_plan *roots; /* for that */
  error *_Atomic why;
} axis_job;

static bool halves(const axis_job *j) { return (j->from_real || j->to_real) && j->n % 2 == 0; }

/* A real line as pairs of neighbours. */
static line pairs_of(line l) { return (line){l.at, 2 * l.step, l.step, false}; }

/* ---- blocks ---- */

/* A block by itself as lines. */
static fft_lines block_lines(const fft_loops *f, float *block, int64_t n) {
  return (fft_lines){.form = FFT_IN_BLOCK, .at = {block}, .count = f->lines, .n = n, .step = 2 * f->lines,
                     .other = f->lines, .scale = 1};
}

static fft_lines lines_like(const line *l, int64_t n, bool swap, float scale) {
  return (fft_lines){.n = n, .step = l->step, .other = l->other, .real = l->real, .swap = swap, .scale = scale};
}

/* There are `count` lines, whose places are known. */
static void set_count(const fft_loops *f, fft_lines *l, int count) {
  const int64_t unit = l->real || l->other != 1 ? 1 : 2;
  bool across = count == f->lines;
  l->count = count;
  for (int v = count; v < f->lines; v++) l->at[v] = l->at[0];
  for (int v = 1; v < f->lines && across; v++) across = l->at[v] == l->at[0] + v * unit;
  if (across) l->form = unit == 2 ? FFT_ACROSS : FFT_ACROSS_PARTS;
  else l->form = unit == 2 && l->step == 2 ? FFT_ALONG : FFT_ANY;
}

/* Three blocks, and what fft_loops.transform needs. */
typedef struct room {
  const fft_loops *f;
  buffer *held;
  float *a, *b, *c, *rest;
} room;

static room room_new(const fft_plan *p, error *_Atomic *why) {
  const fft_plan *q = p->inner ? p->inner : p;
  room r = {.f = cpu_fft_loops()};
  const int64_t element = 2 * r.f->lines, block = (q->n + 1) * element;
  error *no = NULL, *none = NULL;
  r.held = buffer_new((size_t)(3 * block + fft_room(q) * element) * sizeof(float), "fft", &no);
  if (!r.held && !atomic_compare_exchange_strong(why, &none, no)) error_release(no);
  if (!r.held) return r;
  r.rest = buffer_data(r.held);
  r.a = r.rest + fft_room(q) * element;
  r.b = r.a + block;
  r.c = r.b + block;
  return r;
}

/* As a convolution: through r->b and r->c. */
static void chirp_block(const fft_plan *p, const fft_lines *from, const fft_lines *to, const room *r) {
  const fft_loops *f = r->f;
  const int64_t n = p->n, whole = p->inner->n, element = 2 * f->lines;
  const fft_lines b = block_lines(f, r->b, whole), c = block_lines(f, r->c, whole);
  f->load(from, n, r->b);
  f->multiply(r->b, n, p->chirp);
  memset(r->b + n * element, 0, (size_t)((whole - n) * element) * sizeof *r->b);
  f->transform(p->inner, &b, &c, r->rest);
  f->multiply(r->c, whole, p->spectrum);
  f->transform(p->inner, &c, &b, r->rest);
  /* the inverse is the transform forward with the elements in reverse order but the first */
  for (int64_t k = 0; k < n; k++)
    memcpy(r->c + k * element, r->b + (k ? whole - k : 0) * element, (size_t)element * sizeof *r->b);
  f->multiply(r->c, n, p->chirp);
  f->store(to, n, r->c);
}

static void run_block(const fft_plan *p, const fft_lines *from, const fft_lines *to, const room *r) {
  if (p->inner) chirp_block(p, from, to, r);
  else r->f->transform(p, from, to, r->rest);
}

/* A real signal of even length is one of pairs, which is transformed in r->a. */
static void pairs_of_line(const axis_job *j, float *in, float *out, const room *r) {
  const fft_loops *f = r->f;
  const int64_t half = j->n / 2;
  fft_lines x = j->from, y = j->to;
  x.at[0] = j->from_real ? in : r->a;
  y.at[0] = j->from_real ? r->a : out;
  set_count(f, &x, 1);
  set_count(f, &y, 1);
  x.swap = j->inverse;
  y.scale = j->from_real ? 1 : j->scale;
  if (j->to_real) f->tangle_pairs(half, j->roots->table, in, 0, half / 2 + 1, r->a);
  f->transform(j->plan, &x, &y, r->rest);
  if (j->from_real) f->untangle_pairs(half, j->roots->table, r->a, j->scale, 0, half / 2 + 1, out);
}

static void some_lines(const axis_job *j, const fft_lines *from, const fft_lines *to, const room *r) {
  const fft_loops *f = r->f;
  const int64_t half = j->n / 2;
  const fft_lines a = block_lines(f, r->a, j->n);
  if (halves(j) && from->form == FFT_ALONG && to->form == FFT_ALONG && fft_by_line(j->plan, f->lines)) {
    for (int v = 0; v < from->count; v++) pairs_of_line(j, from->at[v], to->at[v], r);
  } else if (halves(j) && j->from_real) {
    run_block(j->plan, from, &a, r);
    f->untangle(half, j->roots->table, r->a, r->b);
    f->store(to, half + 1, r->b);
  } else if (halves(j)) {
    f->load(from, half + 1, r->b);
    f->tangle(half, j->roots->table, r->b, r->a);
    run_block(j->plan, &a, to, r);
  } else if (j->to_real) {
    f->load(from, half + 1, r->a);
    f->mirror(j->n, r->a);
    run_block(j->plan, &a, to, r);
  } else {
    run_block(j->plan, from, to, r);
  }
}

static void lines_piece(void *context, int64_t piece) {
  axis_job *j = context;
  const room r = room_new(j->plan, &j->why);
  if (!r.held) return;
  int64_t at = piece * j->per_piece, end = smaller(at + j->per_piece, j->count);
  fft_lines from = j->from, to = j->to;
  cursor lines;
  cursor_copy(&lines, &j->lines);
  for (cursor_to(&lines, at); at < end;) {
    int count = 0;
    for (; count < r.f->lines && at < end; count++, at++, cursor_next(&lines)) {
      from.at[count] = j->in.at + lines.offset[0];
      to.at[count] = j->out.at + lines.offset[1];
    }
    set_count(r.f, &from, count);
    set_count(r.f, &to, count);
    some_lines(j, &from, &to, &r);
  }
  buffer_release(r.held);
}

/* ---- one line as a matrix ---- */

typedef struct split_job {
  const fft_plan *p;
  line in, out;
  float *between; /* a block of `rows` elements for as many columns as it has lines, and so on */
  bool inverse;
  float scale;
  error *_Atomic *why;
} split_job;

/* w^at */
static void coarse_root(const fft_plan *p, int64_t at, double *re, double *im) {
  const int64_t step = 1ll << p->coarse_bits;
  const double *a = p->coarse + 2 * (at & (step - 1)), *b = p->coarse + 2 * (step + (at >> p->coarse_bits));
  *re = a[0] * b[0] - a[1] * b[1];
  *im = a[0] * b[1] + a[1] * b[0];
}

static int64_t root_step(const fft_plan *p) {
  int64_t step = 1;
  while (step * step < p->rows) step *= 2;
  return step;
}

/* w^(k i) for each k < rows as products of two of about 2 sqrt(rows) roots; as fft_lines has them. */
static void turns_of(const fft_plan *p, int64_t i, float *turns, double *roots) {
  const int64_t step = root_step(p), highs = pieces_of(p->rows, step);
  double *low = roots, *high = roots + 2 * step;
  for (int64_t k = 0; k < step; k++) coarse_root(p, k * i, low + k, low + step + k);
  for (int64_t k = 0; k < highs; k++) coarse_root(p, k * step * i, high + k, high + highs + k);
  cpu_fft_loops()->outer(low, step, high, p->rows, turns);
}

/* Lines first .. below `end`, `apart` floats from one to the next. */
static void set_neighbours(const fft_loops *f, fft_lines *l, float *at, int64_t first, int64_t end, int64_t apart) {
  int count = 0;
  for (int64_t i = first; i < end && count < f->lines; i++) l->at[count++] = at + i * apart;
  set_count(f, l, count);
}

static void columns_piece(void *context, int64_t piece) {
  split_job *j = context;
  const fft_plan *p = j->p;
  const room r = room_new(p->long_column, j->why);
  if (!r.held) return;
  const int64_t first = piece * r.f->lines;
  fft_lines from = lines_like(&j->in, p->rows, j->inverse, 1);
  fft_lines to = block_lines(r.f, j->between + 2 * first * p->rows, p->rows);
  from.step *= p->columns;
  set_neighbours(r.f, &from, j->in.at, first, p->columns, j->in.step);
  to.turns = r.a;
  to.fine = p->fine;
  turns_of(p, first, r.a, (double *)(void *)r.b);
  r.f->transform(p->long_column, &from, &to, r.rest);
  buffer_release(r.held);
}

static void rows_piece(void *context, int64_t piece) {
  split_job *j = context;
  const fft_plan *p = j->p;
  const room r = room_new(p->long_row, j->why);
  if (!r.held) return;
  const int64_t first = piece * r.f->lines;
  fft_lines from = {.n = p->columns, .other = r.f->lines, .leap = 2 * r.f->lines * p->rows};
  fft_lines to = lines_like(&j->out, p->columns, j->inverse, j->scale);
  to.step *= p->rows;
  set_neighbours(r.f, &from, j->between, first, p->rows, 2 * r.f->lines);
  from.form = FFT_IN_BLOCKS;
  set_neighbours(r.f, &to, j->out.at, first, p->rows, j->out.step);
  r.f->transform(p->long_row, &from, &to, r.rest);
  buffer_release(r.held);
}

static buffer *pairs_new(int64_t count, error *_Atomic *why) {
  error *no = NULL, *none = NULL;
  buffer *b = buffer_new((size_t)(2 * count) * sizeof(float), "fft", &no);
  if (!b && !atomic_compare_exchange_strong(why, &none, no)) error_release(no);
  return b;
}

static void split_line(const fft_plan *p, line in, line out, bool inverse, float scale, error *_Atomic *why) {
  const int lines = cpu_fft_loops()->lines;
  const int64_t blocks = pieces_of(p->columns, lines);
  buffer *between = pairs_new(blocks * lines * p->rows, why);
  if (!between) return;
  split_job j = {p, in, out, buffer_data(between), inverse, scale, why};
  parallel_for(blocks, columns_piece, &j);
  if (!atomic_load(why)) parallel_for(pieces_of(p->rows, lines), rows_piece, &j);
  buffer_release(between);
}

/* ---- loops over one long line ---- */

enum { STRETCH = 1 << 13 }; /* elements of a piece */

/* What turns x into y, an element or a pair of opposite elements at a time. */
typedef struct sweep {
  void (*over)(const struct sweep *s, int64_t first, int64_t end);
  int64_t n;
  line x, y;
  const float *table;
  bool inverse;
  float scale;
  int64_t half; /* of a real signal */
} sweep;

static void sweep_piece(void *context, int64_t piece) {
  const sweep *s = context;
  s->over(s, piece * STRETCH, smaller((piece + 1) * STRETCH, s->n));
}

static void run_sweep(sweep *s) { parallel_for(pieces_of(s->n, STRETCH), sweep_piece, s); }

static inline float *pair_at(const line *l, int64_t k) { return l->at + k * l->step; }

/* y = x times the table, y and the table being pairs in a row; of the inverse, x with its parts exchanged */
static void into_chirp(const sweep *s, int64_t first, int64_t end) {
  for (int64_t k = first; k < end; k++) {
    const float *x = pair_at(&s->x, k), *w = s->table + 2 * k;
    const float re = x[0], im = s->x.real ? 0 : x[s->x.other];
    const float r = s->inverse ? im : re, i = s->inverse ? re : im;
    float *y = pair_at(&s->y, k);
    y[0] = r * w[0] - i * w[1];
    y[1] = r * w[1] + i * w[0];
  }
}

static void out_of_chirp(const sweep *s, int64_t first, int64_t end) {
  for (int64_t k = first; k < end; k++) {
    const float *x = pair_at(&s->x, k), *w = s->table + 2 * k;
    const float r = (x[0] * w[0] - x[1] * w[1]) * s->scale, i = (x[0] * w[1] + x[1] * w[0]) * s->scale;
    float *y = pair_at(&s->y, k);
    y[0] = s->inverse ? i : r;
    if (!s->y.real) y[s->y.other] = s->inverse ? r : i;
  }
}

static void chirp_line(const fft_plan *p, line in, line out, bool inverse, float scale, error *_Atomic *why) {
  const int64_t whole = p->inner->n;
  buffer *room = pairs_new(2 * whole, why);
  if (!room) return;
  const line a = {buffer_data(room), 2, 1, false}, b = {a.at + 2 * whole, 2, 1, false};
  run_sweep(&(sweep){into_chirp, p->n, in, a, p->chirp, inverse, 1, 0});
  memset(a.at + 2 * p->n, 0, (size_t)(2 * (whole - p->n)) * sizeof(float));
  split_line(p->inner, a, b, false, 1, why);
  if (!atomic_load(why)) run_sweep(&(sweep){into_chirp, whole, b, b, p->spectrum, false, 1, 0});
  if (!atomic_load(why)) split_line(p->inner, b, a, true, 1, why);
  if (!atomic_load(why)) run_sweep(&(sweep){out_of_chirp, p->n, a, out, p->chirp, inverse, scale, 0});
  buffer_release(room);
}

static void complex_line(const fft_plan *p, line in, line out, bool inverse, float scale, error *_Atomic *why) {
  (p->kind == FFT_SPLIT ? split_line : chirp_line)(p, in, out, inverse, scale, why);
}

/* ---- a long line of a real signal: see untangle and tangle in fft.isa.c ---- */

/* h is 2 (s->n - 1) or one more; all are pairs in a row */
static void untangle_line(const sweep *s, int64_t first, int64_t end) {
  cpu_fft_loops()->untangle_pairs(s->half, s->table, s->x.at, s->scale, first, end, s->y.at);
}

static void tangle_line(const sweep *s, int64_t first, int64_t end) {
  cpu_fft_loops()->tangle_pairs(s->half, s->table, s->x.at, first, end, s->y.at);
}

/* All elements of the spectrum of a real signal of odd length from half of them, as pairs in a row. */
static void mirror_line(const sweep *s, int64_t first, int64_t end) {
  for (int64_t k = first; k < end; k++) {
    const bool above = 2 * k > s->n;
    const float *x = pair_at(&s->x, above ? s->n - k : k), im = x[s->x.other];
    float *y = s->y.at + 2 * k;
    y[0] = x[0];
    y[1] = k == 0 ? 0 : above ? -im : im;
  }
}

static void copy_line(const sweep *s, int64_t first, int64_t end) {
  for (int64_t k = first; k < end; k++) {
    const float *x = pair_at(&s->x, k);
    float *y = pair_at(&s->y, k);
    y[0] = x[0];
    y[s->y.other] = x[s->x.other];
  }
}

/* Of even length: as pairs of neighbours. Spectra that are no pairs in a row are copied. */
static void even_line(axis_job *j, line in, line out) {
  const int64_t half = j->n / 2, meetings = half / 2 + 1;
  const line *x = j->from_real ? &out : &in;
  const bool in_a_row = x->step == 2 && x->other == 1;
  buffer *room = pairs_new(half + 1, &j->why);
  if (!room) return;
  const line z = {buffer_data(room), 2, 1, false}, spectrum = in_a_row ? *x : z;
  const float *roots = j->roots->table;
  if (j->from_real) {
    complex_line(j->plan, pairs_of(in), z, false, 1, &j->why);
    if (!atomic_load(&j->why)) run_sweep(&(sweep){untangle_line, meetings, z, spectrum, roots, false, j->scale, half});
    if (!in_a_row && !atomic_load(&j->why)) run_sweep(&(sweep){.over = copy_line, .n = half + 1, .x = z, .y = out});
  } else {
    if (!in_a_row) run_sweep(&(sweep){.over = copy_line, .n = half + 1, .x = in, .y = z});
    run_sweep(&(sweep){tangle_line, meetings, spectrum, z, roots, false, 1, half});
    complex_line(j->plan, z, pairs_of(out), true, j->scale, &j->why);
  }
  buffer_release(room);
}

static void odd_line(axis_job *j, line in, line out) {
  buffer *room = pairs_new(j->n, &j->why);
  if (!room) return;
  const line z = {buffer_data(room), 2, 1, false};
  if (j->from_real) {
    complex_line(j->plan, in, z, false, j->scale, &j->why);
    if (!atomic_load(&j->why)) run_sweep(&(sweep){.over = copy_line, .n = j->n / 2 + 1, .x = z, .y = out});
  } else {
    run_sweep(&(sweep){.over = mirror_line, .n = j->n, .x = in, .y = z});
    complex_line(j->plan, z, out, true, j->scale, &j->why);
  }
  buffer_release(room);
}

/* ---- an axis ---- */

static void each_line(axis_job *j) {
  cursor lines;
  cursor_copy(&lines, &j->lines);
  cursor_to(&lines, 0);
  for (int64_t i = 0; i < j->count && !atomic_load(&j->why); i++, cursor_next(&lines)) {
    line in = j->in, out = j->out;
    in.at += lines.offset[0];
    out.at += lines.offset[1];
    if (halves(j)) even_line(j, in, out);
    else if (j->from_real || j->to_real) odd_line(j, in, out);
    else complex_line(j->plan, in, out, j->inverse, j->scale, &j->why);
  }
}

static fft_kind kind_for(const axis_job *j, int64_t n) {
  const bool smooth = fft_is_smooth(n), fits = (smooth ? n : 2 * n) <= LONGEST_BLOCK;
  const int lines = cpu_fft_loops()->lines;
  const bool by_line = j->from.step == 2 && j->to.step == 2 && n % (lines * lines) == 0;
  if (fits && (j->count >= FEW || n < SHORTEST_LONG || by_line)) return FFT_BLOCK;
  return smooth ? FFT_SPLIT : FFT_CHIRP;
}

static error *run_axis(axis_job *j) {
  error *why = NULL;
  const int64_t n = halves(j) ? j->n / 2 : j->n;
  const line in = halves(j) && j->from_real ? pairs_of(j->in) : j->in;
  const line out = halves(j) && j->to_real ? pairs_of(j->out) : j->out;
  j->from = lines_like(&in, j->n, j->inverse && !halves(j), 1);
  j->to = lines_like(&out, j->from_real ? j->n / 2 + 1 : j->n, j->inverse, j->scale);
  const fft_kind kind = kind_for(j, n);
  j->plan = fft_plan_get(kind, n, &why);
  if (j->plan && halves(j)) j->roots = fft_plan_get(FFT_ROOTS, n, &why);
  if (!why && kind == FFT_BLOCK) {
    const int lines = cpu_fft_loops()->lines;
    j->per_piece = lines * turns_per_piece(pieces_of(j->count, lines), 4 * n * lines);
    parallel_for(pieces_of(j->count, j->per_piece), lines_piece, j);
  } else if (!why) {
    each_line(j);
  }
  fft_plan_release(j->plan);
  fft_plan_release(j->roots);
  return why ? why : atomic_load(&j->why);
}

/* From `in` to `out` (row-major) along one axis; they may be the same memory. */
static error *along(const fft_params *p, int axis, bool halved, const operand *in, const operand *out) {
  if (dtype_of_parts(in->dtype) == PONS_FLOAT64) return fft_wide_along(p->inverse, axis, halved, in, out);
  int64_t dims[PONS_MAX_NDIM], strides[2][PONS_MAX_NDIM];
  axis_job j = {.inverse = p->inverse, .n = (p->inverse ? out : in)->shape[axis]};
  j.from_real = halved && !p->inverse;
  j.to_real = halved && p->inverse;
  j.scale = p->inverse ? 1 / (float)j.n : 1;
  const int unit[2] = {j.from_real ? 1 : 2, j.to_real ? 1 : 2};
  shape_row_major(out->ndim, out->shape, strides[1]);
  for (int d = 0; d < in->ndim; d++) {
    dims[d] = d == axis ? 1 : in->shape[d];
    strides[0][d] = in->strides[d] * unit[0];
    strides[1][d] *= unit[1];
  }
  j.in = (line){in->data, strides[0][axis], 1, j.from_real};
  j.out = (line){out->data, strides[1][axis], 1, j.to_real};
  j.lines = cursor_new(in->ndim, dims, 2, strides[0], strides[1]);
  j.count = cursor_size(&j.lines);
  return j.count ? run_axis(&j) : NULL;
}

/* The complex axes first, in memory of their own, then the halved one. */
static error *real_inverse(const fft_params *p, const operand *x, const operand *out) {
  const int last = p->axes.n - 1;
  if (last == 0) return along(p, (int)p->axes.at[0], true, x, out);
  int64_t strides[PONS_MAX_NDIM];
  error *why = NULL;
  buffer *room = buffer_new((size_t)operand_size(x) * pons_dtype_size(x->dtype), "fft", &why);
  if (!room) return why;
  shape_row_major(x->ndim, x->shape, strides);
  const operand y = {buffer_data(room), x->dtype, x->ndim, x->shape, strides};
  for (int i = 0; i < last && !why; i++) why = along(p, (int)p->axes.at[i], false, i ? &y : x, &y);
  if (!why) why = along(p, (int)p->axes.at[last], true, &y, out);
  buffer_release(room);
  return why;
}

error *cpu_fft(const launch *l) {
  const fft_params *p = l->params;
  if (p->real && p->inverse) return real_inverse(p, l->in, l->out);
  const int last = p->axes.n - 1;
  error *why = along(p, (int)p->axes.at[last], p->real, l->in, l->out);
  for (int i = 0; i < last && !why; i++) why = along(p, (int)p->axes.at[i], false, l->out, l->out);
  return why;
}
