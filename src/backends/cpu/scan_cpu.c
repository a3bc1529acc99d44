/* scan_cpu.c: "Scan": running sums, products, greatest, least, logaddexp along an axis, from either end, with
   or without the element itself. Halves run in float, and are rounded as they are stored.

   A long line is cut into segments of fixed length, which threads draw in order. Each folds its segment, adds that to what the
   segments before have made, tells the next, and scans its own, which its cache still holds:

       fold ─ wait for those before ─ carry ─ tell the next ─ scan

   Who finds what those before have made folds and scans tile by tile instead, so that memory is waited for once, and tells the next
   the same bits, later. Of two threads one does mostly that.

   Uses cpu/lanes.h, cpu/cursor.h, kernel/scalar.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include "kernel/scalar.h"
#include <math.h>
#include <sched.h>
#include <stdatomic.h>

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define LEAST(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define GREATEST(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
/* Four at a time: only one operation of seven waits for the four before. */
#define SCAN(name, type, OP)                                                                           \
  static void scan_##name(const void *from, void *to, int64_t n, bool exclusive, void *carry) {        \
    const type *x = from;                                                                              \
    type *y = to, so_far = *(type *)carry;                                                             \
    int64_t i = 0;                                                                                     \
    for (; i + 4 <= n; i += 4) {                                                                       \
      const type two = OP(x[i], x[i + 1]), three = OP(two, x[i + 2]), pair = OP(x[i + 2], x[i + 3]);   \
      const type y0 = OP(so_far, x[i]), y1 = OP(so_far, two), y2 = OP(so_far, three);                  \
      const type y3 = OP(so_far, OP(two, pair));                                                       \
      y[i] = exclusive ? so_far : y0;                                                                  \
      y[i + 1] = exclusive ? y0 : y1;                                                                  \
      y[i + 2] = exclusive ? y1 : y2;                                                                  \
      y[i + 3] = exclusive ? y2 : y3;                                                                  \
      so_far = y3;                                                                                     \
    }                                                                                                  \
    for (; i < n; i++) {                                                                               \
      const type before = so_far;                                                                      \
      so_far = OP(so_far, x[i]);                                                                       \
      y[i] = exclusive ? before : so_far;                                                              \
    }                                                                                                  \
    *(type *)carry = so_far;                                                                           \
  }
#define SCAN_ONE_BY_ONE(name, type, OP)                                                \
  static void scan_##name(const void *from, void *to, int64_t n, bool exclusive, void *carry) { \
    const type *x = from;                                                              \
    type *y = to, so_far = *(type *)carry;                                             \
    for (int64_t i = 0; i < n; i++) {                                                  \
      type before = so_far;                                                            \
      so_far = OP(so_far, x[i]);                                                       \
      y[i] = exclusive ? before : so_far;                                              \
    }                                                                                  \
    *(type *)carry = so_far;                                                           \
  }

/* log(exp(a) + exp(b)): of two infinities of one sign that one, and NaN of a NaN. */
static double log_add_exp(double a, double b) {
  double high = fmax(a, b), low = fmin(a, b);
  if (isnan(a) || isnan(b)) return a + b;
  return isinf(high) || isinf(low) ? high : high + log1p(exp(low - high));
}
static float log_add_exp_float(float a, float b) { return (float)log_add_exp((double)a, (double)b); }

SCAN(sum_uint, uint64_t, ADD)
SCAN(prod_float, float, MULTIPLY)
SCAN(prod_double, double, MULTIPLY)
SCAN(prod_uint, uint64_t, MULTIPLY)
SCAN(min_float, float, LEAST)
SCAN(min_double, double, LEAST)
SCAN(min_int, int64_t, LEAST)
SCAN(min_uint, uint64_t, LEAST)
SCAN(max_float, float, GREATEST)
SCAN(max_double, double, GREATEST)
SCAN(max_int, int64_t, GREATEST)
SCAN(max_uint, uint64_t, GREATEST)
SCAN_ONE_BY_ONE(logaddexp_float, float, log_add_exp_float)
SCAN_ONE_BY_ONE(logaddexp_double, double, log_add_exp)

/* The scalar form of a reduction serves complex numbers. */
#define SCAN_COMPLEX_BY(kind, reduce_kind, type, lane_kind)                                              \
  static void scan_##kind##_##type(const void *from, void *to, int64_t n, bool exclusive, void *carry) { \
    const type *x = from;                                                                                \
    type *y = to;                                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                                    \
      const type before = *(const type *)carry;                                                          \
      cpu_reduce_loops()->columns[reduce_kind][lane_kind](&x[i], 0, 1, 1, carry);                        \
      y[i] = exclusive ? before : *(const type *)carry;                                                  \
    }                                                                                                    \
  }
#define SCAN_COMPLEX(type, part, lane_kind)                                                               \
  SCAN_COMPLEX_BY(sum, REDUCE_SUM, type, lane_kind)                                                       \
  SCAN_COMPLEX_BY(prod, REDUCE_PROD, type, lane_kind)                                                     \
  SCAN_COMPLEX_BY(min, REDUCE_MIN, type, lane_kind)                                                       \
  SCAN_COMPLEX_BY(max, REDUCE_MAX, type, lane_kind)                                                       \
  static void scan_logaddexp_##type(const void *from, void *to, int64_t n, bool exclusive, void *carry) { \
    const type *x = from;                                                                                 \
    type *y = to, *so_far = carry;                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                                     \
      const type before = *so_far;                                                                        \
      const type high = x[i].re > before.re ? x[i] : before, low = x[i].re > before.re ? before : x[i];   \
      const double complex top = k_of_c128((double)high.re, (double)high.im);                             \
      double complex sum = top;                                                                           \
      if (isfinite(low.re)) sum += clog(1 + cexp(k_of_c128((double)low.re, (double)low.im) - top));       \
      *so_far = (type){(part)creal(sum), (part)cimag(sum)};                                               \
      y[i] = exclusive ? before : *so_far;                                                                \
    }                                                                                                     \
  }
SCAN_COMPLEX(complex64, float, LANE_COMPLEX)
SCAN_COMPLEX(complex128, double, LANE_WIDE_COMPLEX)

#define BY_LANE(kind, signed_kind)                                                                      \
  {scan_##kind##_float, scan_##kind##_double, scan_##kind##_##signed_kind, scan_##kind##_uint,           \
   scan_##kind##_complex64, scan_##kind##_complex128}
static scan_loop *const loops[SCAN_KINDS][LANE_KINDS] = {
    [SCAN_MAX] = BY_LANE(max, int),
    [SCAN_MIN] = BY_LANE(min, int),
    [SCAN_SUM] = {NULL, NULL, scan_sum_uint, scan_sum_uint, scan_sum_complex64, scan_sum_complex128},
    [SCAN_PROD] = BY_LANE(prod, uint),
    [SCAN_LOGADDEXP] = {scan_logaddexp_float, scan_logaddexp_double, NULL, NULL, scan_logaddexp_complex64,
                        scan_logaddexp_complex128},
};
static scan_loop *loop_for(int kind, lane k) {
  scan_loop *own = kind == SCAN_SUM ? cpu_scan_loops()->sum[k] : NULL;
  return own ? own : loops[kind][k];
}

/* Nothing adds to minus infinity what it adds to zero. */
static const int starts_like[SCAN_KINDS] = {[SCAN_MAX] = REDUCE_MAX,
                                            [SCAN_MIN] = REDUCE_MIN,
                                            [SCAN_SUM] = REDUCE_SUM,
                                            [SCAN_PROD] = REDUCE_PROD,
                                            [SCAN_LOGADDEXP] = REDUCE_MAX};

enum { SEGMENT = 32 * TILE };

typedef struct scan_job {
  const scan_params *params;
  const operand *x, *out;
  scan_loop *loop, *far_loop; /* far: past the caches; NULL: there is none */
  cursor lines; /* offsets of x and out */
  int64_t n, stride, out_stride; /* of a line; negative if scanned from the end */
  int64_t first;                 /* place in a line where the scan begins */
  int64_t count, lines_per_piece;
  bool past_cache;
  /* Of lines in segments: */
  int64_t segments; /* of a line */
  lane_value carry; /* what segment `turn`, counted through all lines, begins with */
  atomic_int_least64_t turn;
} scan_job;

static lane_value identity_of(const scan_job *j) {
  lane_value identity = lane_identity(starts_like[j->params->kind], j->out->dtype);
  if (j->params->kind != SCAN_LOGADDEXP) return identity;
  if (j->out->dtype == PONS_COMPLEX64) identity.c.im = 0;
  if (j->out->dtype == PONS_COMPLEX128) identity.wide.im = 0;
  return identity;
}

/* Elements `at` to `end` of the line that the cursor is at, on from *carry. Lanes that are elements are written where they belong. */
static void scan_part(const scan_job *j, const cursor *lines, int64_t at, int64_t end, lane_value *carry) {
  lane_value tile[TILE];
  pons_dtype from = j->x->dtype, to = j->out->dtype;
  const bool direct = j->out_stride == 1 && lane_is_direct(to), exclusive = !j->params->inclusive;
  const int64_t step = j->past_cache ? FAR_TILE : TILE;
  for (; at < end; at += step) {
    int64_t n = smaller(end - at, step);
    const void *x = element(j->x->data, from, lines->offset[0] + (j->first + at) * j->stride);
    x = lanes_at(from, x, j->stride, n, tile);
    void *result = element(j->out->data, to, lines->offset[1] + (j->first + at) * j->out_stride);
    if (direct && !j->past_cache) {
      j->loop(x, result, n, exclusive, carry);
      continue;
    }
    if (direct && j->far_loop && (uintptr_t)result % 32 == 0) {
      j->far_loop(x, result, n, exclusive, carry);
      continue;
    }
    j->loop(x, tile, n, exclusive, carry);
    if (j->out_stride == 1) lanes_put(to, tile, n, result, j->past_cache);
    else cpu_lanes()->store[to](tile, n, result, j->out_stride);
  }
}

/* ---- lines as they are ---- */

static void scan_piece(void *context, int64_t piece) {
  const scan_job *j = context;
  cursor lines = j->lines;
  int64_t line = piece * j->lines_per_piece, end = smaller(line + j->lines_per_piece, j->count);
  cursor_to(&lines, line);
  for (; line < end; line++, cursor_next(&lines)) {
    lane_value carry = identity_of(j);
    scan_part(j, &lines, 0, j->n, &carry);
  }
  if (j->past_cache) cpu_end_past_cache();
}

/* ---- lines in segments ---- */

/* Elements `at` to `end`, a tile or less, on to *whole. */
static void fold_tile(const scan_job *j, const cursor *lines, int64_t at, int64_t end, lane_value *whole) {
  lane_value tile[TILE], part;
  const pons_dtype d = j->x->dtype;
  const void *from = element(j->x->data, d, lines->offset[0] + (j->first + at) * j->stride);
  from = lanes_at(d, from, j->stride, end - at, tile);
  if (j->params->kind == SCAN_LOGADDEXP) {
    j->loop(from, tile, end - at, false, whole);
    return;
  }
  cpu_reduce_loops()->fold[starts_like[j->params->kind]][lane_of(d)](from, end - at, &part);
  j->loop(&part, &part, 1, false, whole);
}

/* Pieces are drawn in order, so that whoever has an earlier one is at work on it, unless the system has stopped it. */
static void await_turn(const scan_job *j, int64_t piece) {
  enum { SPINS = 4096 };
  for (int i = 0; atomic_load_explicit(&j->turn, memory_order_acquire) != piece; i++)
    if (i < SPINS) pause_briefly();
    else sched_yield();
}

/* The tile behind the next, which the processor does not fetch by itself while it computes. */
static void fetch_ahead(const scan_job *j, const cursor *lines, int64_t at) {
  enum { AHEAD = 2 * TILE };
  const int64_t size = (int64_t)pons_dtype_size(j->x->dtype);
  if (j->stride != 1 || at + AHEAD + TILE > j->n) return;
  const char *from = element(j->x->data, j->x->dtype, lines->offset[0] + j->first + at + AHEAD);
  for (int64_t line = 0; line < TILE * size; line += 64) __builtin_prefetch(from + line, 0, 2);
}

static void scan_segment(void *context, int64_t piece) {
  scan_job *j = context;
  cursor lines = j->lines;
  cursor_to(&lines, piece / j->segments);
  const int64_t begin = piece % j->segments * SEGMENT, end = smaller(begin + SEGMENT, j->n);
  const bool known = atomic_load_explicit(&j->turn, memory_order_acquire) == piece;
  lane_value whole = identity_of(j), carry = begin && known ? j->carry : identity_of(j), so_far = carry;
  for (int64_t at = begin; at < end; at += TILE) {
    const int64_t next = smaller(at + TILE, end);
    if (known) fetch_ahead(j, &lines, at);
    fold_tile(j, &lines, at, next, &whole);
    if (known) scan_part(j, &lines, at, next, &so_far);
  }
  if (!known) await_turn(j, piece);
  if (begin == 0) j->carry = identity_of(j);
  j->loop(&whole, &carry, 1, true, &j->carry);
  atomic_store_explicit(&j->turn, piece + 1, memory_order_release);
  if (!known) scan_part(j, &lines, begin, end, &carry);
  if (j->past_cache) cpu_end_past_cache();
}

error *cpu_scan(const launch *l) {
  const scan_params *p = l->params;
  const operand *x = l->in, *out = l->out;
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], sign = p->reverse ? -1 : 1;
  if (!operand_size(out)) return NULL;
  scan_job j = {.params = p, .x = x, .out = out, .loop = loop_for(p->kind, lane_of(x->dtype))};
  if (!j.loop) return fail("logcumsumexp", "takes floats, not %s", pons_dtype_name(x->dtype));
  j.far_loop = p->kind == SCAN_SUM ? cpu_scan_loops()->sum_past_cache[lane_of(x->dtype)] : NULL;
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  dims[p->axis] = 1;
  shape_row_major(out->ndim, out->shape, strides);
  j.n = x->shape[p->axis];
  j.first = p->reverse ? 1 - j.n : 0; /* in steps of the strides below */
  j.stride = sign * x->strides[p->axis];
  j.out_stride = sign * strides[p->axis];
  j.lines = cursor_new(x->ndim, dims, 2, x->strides, strides);
  j.count = cursor_size(&j.lines);
  j.past_cache = cpu_outgrows_cache((size_t)operand_size(out) * pons_dtype_size(out->dtype));
  if (j.n > 2 * SEGMENT) {
    j.segments = pieces_of(j.n, SEGMENT);
    parallel_for(j.segments * j.count, scan_segment, &j);
    return NULL;
  }
  j.lines_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.lines_per_piece), scan_piece, &j);
  return NULL;
}
