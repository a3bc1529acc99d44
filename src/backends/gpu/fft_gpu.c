/* fft_gpu.c: "FFT" of any length by fft.kc, one axis after another. Lines up to MOST_SIGNAL are transformed in local memory. Of longer ones,
   n = last * inner elements,

     elements j, j + last, j + 2 last, ...  of each line are transformed (inner of them, in the same way),
     element k of transform j is multiplied by e^(sign 2 pi i j k / n),
     elements k of all of them are transformed (last of them), which gives elements k, k + inner, k + 2 inner, ... of the result.

   Of a real signal only the k of the first half are made: the others are their mirrors. A real inverse goes the other way round. A length
   with a large prime factor is a convolution with a chirp (Bluestein). Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <math.h>

extern const char kernel_fft[];

enum { MOST_SIGNAL = 1024, MOST_LINES = 16, THREADS = 128, LOCAL_NEEDED = (3 * MOST_SIGNAL + 2 * MOST_LINES) * 8 };

/* Transforms of lines, all from x to y, which may be the same memory if lines lie alike in both. */
typedef struct signals {
  const gpu_backend *backend;
  const operand *x, *y;
  gpu_walk lines; /* x, y */
  int64_t n, step_x, step_y;
  int sign;
  float factor;
  bool real_in, hermitian_in, real_out, hermitian_out, turn_in, turn_out; /* as fft.kc has them */
  int64_t apart, columns;
} signals;

static error *transform(const signals *s);

/* ---- one step ---- */

/* Neighbouring columns are read together, 32 bytes at least; beyond that groups are to be many. */
enum { LEAST_COLUMNS = 4, MANY_GROUPS = 512 };
static int64_t lines_of_group(const signals *s, int64_t total, bool in_columns) {
  int64_t lines = MOST_LINES;
  while (lines * s->n > MOST_SIGNAL) lines /= 2;
  while (lines > (in_columns ? LEAST_COLUMNS : 1) && ceiling(total, lines) < MANY_GROUPS) lines /= 2;
  return lines;
}

/* Turns are counted in eighths, by 64 bits where 32 are too few. */
static void define_turns(gpu_call *c, int64_t whole) { gpu_define_text(c, "root_t", whole > INT32_MAX / 8 ? "int64_t" : "int32_t"); }

static void define_sides(gpu_call *c, const signals *s) {
  gpu_define_dtype(c, "X", s->x->dtype);
  gpu_define_dtype(c, "Y", s->y->dtype);
  if (s->real_in) gpu_define_text(c, "REAL_IN", "");
  if (s->hermitian_in) gpu_define_text(c, "HERMITIAN_IN", "");
  if (s->real_out) gpu_define_text(c, "REAL_OUT", "");
  if (s->hermitian_out) gpu_define_text(c, "HERMITIAN_OUT", "");
  if (s->turn_in) gpu_define_text(c, "TURN_IN", "");
  if (s->turn_out) gpu_define_text(c, "TURN_OUT", "");
}

static error *run_step(const signals *s) {
  const int64_t total = gpu_walk_size(&s->lines);
  const bool columns_x = s->step_x != 1 || (s->hermitian_in && s->columns > 1),
             columns_y = s->step_y != 1 || (s->hermitian_out && s->columns > 1);
  int64_t lines = lines_of_group(s, total, columns_x || columns_y);
  gpu_call c = gpu_call_for(s->backend, s->y);
  c.group[0] = gpu_group_for(&c, s->n * lines, THREADS);
  while (lines > c.group[0]) lines /= 2;
  define_sides(&c, s);
  define_turns(&c, s->n * s->apart);
  gpu_define(&c, "MOST_SIGNAL", MOST_SIGNAL);
  gpu_define(&c, "MOST_LINES", MOST_LINES);
  gpu_written(&c, s->y);
  gpu_read(&c, s->x);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->n);
  gpu_number(&c, s->step_x);
  gpu_number(&c, s->step_y);
  gpu_number(&c, 0);
  gpu_number(&c, s->sign);
  gpu_number_float(&c, s->factor);
  gpu_number(&c, total);
  gpu_number(&c, lines);
  gpu_number(&c, s->apart);
  gpu_number(&c, s->columns);
  gpu_number(&c, columns_x);
  gpu_number(&c, columns_y);
  gpu_number_walk(&c, 3, &s->lines);
  c.groups[0] = ceiling(total, lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_fft, "fft");
}

/* ---- memory between steps ---- */

typedef struct room {
  operand all; /* complex elements in a row */
  location at;
  int64_t size, stride;
} room;

static error *room_take(room *r, const signals *s, int64_t size) {
  r->size = size;
  r->stride = 1;
  r->all = (operand){&r->at, PONS_COMPLEX64, 1, &r->size, &r->stride};
  return gpu_room_take(s->backend, &r->at, s->y, size, PONS_COMPLEX64);
}

static void room_give(const room *r, const signals *s) { gpu_room_give(s->backend, &r->at); }

/* ---- steps of long lines ---- */

/* How lines that each line is divided into lie: beside the line's own strides in x or y, or IN_ROWS, in a room where each line has `row`
   elements; and the stride from one to the next. */
typedef struct lying {
  enum { AS_X, AS_Y, IN_ROWS } as;
  int64_t row, step;
} lying;

static gpu_walk divided(const gpu_walk *lines, int64_t count, lying x, lying y) {
  const lying sides[2] = {x, y};
  int64_t sizes[PONS_MAX_NDIM], strides[2][PONS_MAX_NDIM];
  const int n = lines->n;
  for (int k = 0; k < 2; k++) {
    int64_t row = sides[k].row;
    for (int d = n - 1; d >= 0; d--) {
      sizes[d] = lines->sizes[d];
      strides[k][d] = sides[k].as == IN_ROWS ? row : lines->strides[sides[k].as][d];
      row *= sizes[d];
    }
    strides[k][n] = sides[k].step;
  }
  sizes[n] = count;
  return gpu_walk_of(n + 1, sizes, 2, (const int64_t *const[]){strides[0], strides[1]});
}

/* A divisor for a step: n is cut into as few as can be of which four or more lines fit a group, and into alike ones. */
enum { LENGTH = MOST_SIGNAL / LEAST_COLUMNS };
static int64_t divisor_of(int64_t n) {
  int steps = 1;
  for (int64_t most = LENGTH; most < n; most *= LENGTH) steps++;
  const int64_t wanted = (int64_t)pow((double)n, 1.0 / steps);
  for (int64_t gap = 0;; gap++) {
    if (wanted - gap > 1 && n % (wanted - gap) == 0) return wanted - gap;
    if (wanted + gap <= MOST_SIGNAL && n % (wanted + gap) == 0) return wanted + gap;
  }
}

static error *joined(const signals *s) {
  const int64_t last = divisor_of(s->n), inner = s->n / last, row = s->hermitian_out ? inner / 2 + 1 : inner;
  room between;
  signals first = *s, second = *s;
  error *why = room_take(&between, s, gpu_walk_size(&s->lines) * last * row);
  if (why) return why;
  first.y = &between.all;
  first.n = inner;
  first.step_x = s->step_x * last;
  first.step_y = 1;
  first.factor = 1;
  first.lines = divided(&s->lines, last, (lying){AS_X, 0, s->step_x}, (lying){IN_ROWS, last * row, row});
  second.x = &between.all;
  second.real_in = false;
  second.turn_in = true;
  second.n = last;
  second.apart = inner;
  second.columns = row;
  second.step_x = row;
  second.step_y = s->hermitian_out ? s->step_y : s->step_y * inner;
  second.lines = divided(&s->lines, row, (lying){IN_ROWS, last * row, 1}, (lying){AS_Y, 0, s->hermitian_out ? 0 : s->step_y});
  why = transform(&first);
  if (!why) why = run_step(&second);
  room_give(&between, s);
  return why;
}

/* The real inverse: what it is made from is a half, and so is each line between. */
static error *parted(const signals *s) {
  const int64_t last = divisor_of(s->n), inner = s->n / last, row = inner / 2 + 1;
  room between;
  signals first = *s, second = *s;
  error *why = room_take(&between, s, gpu_walk_size(&s->lines) * last * row);
  if (why) return why;
  first.y = &between.all;
  first.real_out = false;
  first.turn_out = true;
  first.n = last;
  first.apart = inner;
  first.columns = row;
  first.step_y = row;
  first.factor = 1;
  first.lines = divided(&s->lines, row, (lying){AS_X, 0, 0}, (lying){IN_ROWS, last * row, 1});
  second.x = &between.all;
  second.n = inner;
  second.step_x = 1;
  second.step_y = s->step_y * last;
  second.lines = divided(&s->lines, last, (lying){IN_ROWS, last * row, row}, (lying){AS_Y, 0, s->step_y});
  why = run_step(&first);
  if (!why) why = transform(&second);
  room_give(&between, s);
  return why;
}

/* ---- a convolution with a chirp ---- */

static error *make_chirp(const signals *s, const room *chirp) {
  gpu_call c = gpu_call_for(s->backend, &chirp->all);
  gpu_define_dtype(&c, "X", PONS_COMPLEX64); /* of the other kernels in the text */
  gpu_define_dtype(&c, "Y", PONS_COMPLEX64);
  define_turns(&c, 2 * s->n);
  gpu_written(&c, &chirp->all);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->n);
  gpu_number(&c, chirp->size);
  gpu_number(&c, s->sign);
  gpu_one_each(&c, chirp->size);
  return gpu_run(&c, kernel_fft, "chirp");
}

static error *chirped(const signals *s, const room *chirp, const room *lines) {
  signals t = *s;
  t.y = &lines->all;
  t.real_out = false; /* beside chirp_in, the text has chirp_out */
  const gpu_walk w = gpu_walk_of(s->lines.n, s->lines.sizes, 1, (const int64_t *const[]){s->lines.strides[AS_X]});
  gpu_call c = gpu_call_for(s->backend, &lines->all);
  define_sides(&c, &t);
  define_turns(&c, 2 * s->n);
  gpu_written(&c, &lines->all);
  gpu_read(&c, s->x);
  gpu_read(&c, &chirp->all);
  gpu_begin_numbers(&c);
  gpu_number(&c, lines->size);
  gpu_number(&c, s->n);
  gpu_number(&c, chirp->size);
  gpu_number(&c, s->step_x);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 4, &w);
  gpu_one_each(&c, lines->size);
  return gpu_run(&c, kernel_fft, "chirp_in");
}

static error *multiplied(const signals *s, const room *spectrum, const room *lines) {
  gpu_call c = gpu_call_for(s->backend, &lines->all);
  gpu_define_dtype(&c, "X", PONS_COMPLEX64);
  gpu_define_dtype(&c, "Y", PONS_COMPLEX64);
  define_turns(&c, spectrum->size);
  gpu_written(&c, &lines->all);
  gpu_read(&c, &spectrum->all);
  gpu_begin_numbers(&c);
  gpu_number(&c, lines->size);
  gpu_number(&c, spectrum->size);
  gpu_one_each(&c, lines->size);
  return gpu_run(&c, kernel_fft, "chirp_times");
}

static error *unchirped(const signals *s, const room *chirp, const room *lines) {
  signals t = *s;
  t.x = &lines->all;
  t.real_in = t.hermitian_in = false;
  const int64_t kept = s->hermitian_out ? s->n / 2 + 1 : s->n, count = gpu_walk_size(&s->lines) * kept;
  const gpu_walk w = gpu_walk_of(s->lines.n, s->lines.sizes, 1, (const int64_t *const[]){s->lines.strides[AS_Y]});
  gpu_call c = gpu_call_for(s->backend, s->y);
  define_sides(&c, &t);
  define_turns(&c, 2 * s->n);
  gpu_written(&c, s->y);
  gpu_read(&c, &lines->all);
  gpu_read(&c, &chirp->all);
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  gpu_number(&c, kept);
  gpu_number(&c, chirp->size);
  gpu_number(&c, s->step_y);
  gpu_number(&c, 0);
  gpu_number_float(&c, s->factor / (float)chirp->size);
  gpu_number_walk(&c, 4, &w);
  gpu_one_each(&c, count);
  return gpu_run(&c, kernel_fft, "chirp_out");
}

/* Of the lines in a room, complex ones of m elements. */
static error *transform_room(const signals *s, const room *from, const room *to, int64_t m, int sign) {
  const int64_t count = from->size / m;
  const gpu_walk lines = gpu_walk_of(1, &count, 2, (const int64_t *const[]){&m, &m});
  return transform(&(signals){.backend = s->backend, .x = &from->all, .y = &to->all, .lines = lines, .n = m, .step_x = 1, .step_y = 1,
                              .sign = sign, .factor = 1, .apart = 1, .columns = 1});
}

static error *by_chirp(const signals *s) {
  room chirp = {.at = {0}}, spectrum = chirp, lines = chirp;
  int64_t m = 1;
  while (m < 2 * s->n - 1) m *= 2;
  error *why = room_take(&chirp, s, m);
  if (!why) why = room_take(&spectrum, s, m);
  if (!why) why = room_take(&lines, s, gpu_walk_size(&s->lines) * m);
  if (!why) why = make_chirp(s, &chirp);
  if (!why) why = transform_room(s, &chirp, &spectrum, m, -1);
  if (!why) why = chirped(s, &chirp, &lines);
  if (!why) why = transform_room(s, &lines, &lines, m, -1);
  if (!why) why = multiplied(s, &spectrum, &lines);
  if (!why) why = transform_room(s, &lines, &lines, m, 1);
  if (!why) why = unchirped(s, &chirp, &lines);
  room_give(&lines, s);
  room_give(&spectrum, s);
  room_give(&chirp, s);
  return why;
}

/* ---- an axis ---- */

/* A pass by a prime factor p takes p products for an element: above that, a convolution takes fewer. */
enum { LARGE_FACTOR = 128 };
static bool has_large_factor(int64_t n) {
  for (int64_t p = 2; p <= LARGE_FACTOR && n > 1; p++)
    while (n % p == 0) n /= p;
  return n > 1;
}

static error *transform(const signals *s) {
  if (s->n <= MOST_SIGNAL) return run_step(s);
  if (has_large_factor(s->n)) return by_chirp(s);
  return s->hermitian_in ? parted(s) : joined(s);
}

/* From `in` to `out`, which may be the same memory. */
static error *along(const gpu_backend *b, const fft_params *p, int axis, bool halved, const operand *in, const operand *out) {
  int64_t dims[PONS_MAX_NDIM];
  memcpy(dims, in->shape, (size_t)in->ndim * sizeof *dims);
  dims[axis] = 1;
  const int64_t n = (p->inverse ? out : in)->shape[axis];
  return transform(&(signals){.backend = b,
                              .x = in,
                              .y = out,
                              .lines = gpu_walk_of(in->ndim, dims, 2, (const int64_t *const[]){in->strides, out->strides}),
                              .n = n,
                              .step_x = in->strides[axis],
                              .step_y = out->strides[axis],
                              .sign = p->inverse ? 1 : -1,
                              .factor = p->inverse ? 1 / (float)n : 1,
                              .real_in = halved && !p->inverse,
                              .hermitian_out = halved && !p->inverse,
                              .hermitian_in = halved && p->inverse,
                              .real_out = halved && p->inverse,
                              .apart = 1,
                              .columns = 1});
}

/* ---- a launch ---- */

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

enum { MOST_AXES = 20 }; /* whose sizes and strides, with those of steps, are not too many numbers */
const char *gpu_refuses_fft(const gpu_backend *b, const launch *l) {
  if (is_empty(l->in) || is_empty(l->out)) return "there are no elements";
  if (l->in->ndim > MOST_AXES) return "there are too many axes";
  return gpu_common_features(b).local_bytes < LOCAL_NEEDED ? "local memory is too small" : NULL;
}

/* The complex axes first, in memory of their own, then the halved one. */
static error *real_inverse(const gpu_backend *b, const fft_params *p, const operand *x, const operand *out) {
  const int last = p->axes.n - 1;
  if (last == 0) return along(b, p, (int)p->axes.at[0], true, x, out);
  int64_t strides[PONS_MAX_NDIM];
  location at;
  error *why = gpu_room_take(b, &at, out, shape_size(x->ndim, x->shape), x->dtype);
  if (why) return why;
  shape_row_major(x->ndim, x->shape, strides);
  const operand y = {&at, x->dtype, x->ndim, x->shape, strides};
  for (int i = 0; i < last && !why; i++) why = along(b, p, (int)p->axes.at[i], false, i ? &y : x, &y);
  if (!why) why = along(b, p, (int)p->axes.at[last], true, &y, out);
  gpu_room_give(b, &at);
  return why;
}

error *gpu_fft(const gpu_backend *b, const launch *l) {
  const fft_params *p = l->params;
  operand out = *l->out;
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(out.ndim, out.shape, strides);
  out.strides = strides;
  if (p->real && p->inverse) return real_inverse(b, p, l->in, &out);
  const int last = p->axes.n - 1;
  error *why = along(b, p, (int)p->axes.at[last], p->real, l->in, &out);
  for (int i = 0; i < last && !why; i++) why = along(b, p, (int)p->axes.at[i], false, &out, &out);
  return why;
}
