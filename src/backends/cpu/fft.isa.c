/* fft.isa.c: the loops of Fourier transforms over blocks. Built once per instruction set. Uses cpu/fft_plan.h,
   cpu/registers.h, cpu/turn.h. */
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/registers.h"
#include "backends/cpu/turn.h"

/* A cache line has eight pairs: fewer lines would take a part of it. */
enum { LANES = REGISTER_BYTES / sizeof(float), V = REGISTER_BYTES > 32 ? LANES : 8, E = 2 * V };
#define INLINE static inline __attribute__((always_inline))
#define EACH_LINE for (int v = 0; v < V; v++)
#define EACH_REGISTER for (int v = 0; v < V; v += LANES)
#define UNROLL _Pragma("GCC unroll 8")

/* ---- a register of lines ---- */

typedef struct pair {
  vector_float r, i;
} pair;

INLINE pair get(const float *x) { return (pair){wide_float32(x), wide_float32(x + V)}; }
INLINE void put(float *y, pair a) {
  memcpy(y, &a.r, sizeof a.r);
  memcpy(y + V, &a.i, sizeof a.i);
}
INLINE pair plus(pair a, pair b) { return (pair){a.r + b.r, a.i + b.i}; }
INLINE pair minus(pair a, pair b) { return (pair){a.r - b.r, a.i - b.i}; }
INLINE pair plus_i(pair a, pair b) { return (pair){a.r - b.i, a.i + b.r}; } /* a + i b */
INLINE pair minus_i(pair a, pair b) { return (pair){a.r + b.i, a.i - b.r}; }
INLINE pair scaled(pair a, float c) { return (pair){a.r * SPLAT_FLOAT(c), a.i * SPLAT_FLOAT(c)}; }
/* a + c b */
INLINE pair add_scaled(pair a, float c, pair b) {
  return (pair){FMA_FLOAT(b.r, SPLAT_FLOAT(c), a.r), FMA_FLOAT(b.i, SPLAT_FLOAT(c), a.i)};
}
INLINE pair times(pair a, pair w) {
  return (pair){FMA_FLOAT(a.r, w.r, -(a.i * w.i)), FMA_FLOAT(a.r, w.i, a.i * w.r)};
}
INLINE pair turned(pair a, const float *w) { return times(a, (pair){SPLAT_FLOAT(w[0]), SPLAT_FLOAT(w[1])}); }

/* ---- transforms of a radix, in place ---- */

INLINE void two(pair *x) {
  const pair a = x[0];
  x[0] = plus(a, x[1]);
  x[1] = minus(a, x[1]);
}

INLINE void three(pair *x) {
  const pair sum = plus(x[1], x[2]), apart = scaled(minus(x[1], x[2]), 0.866025403784438647f);
  const pair rest = add_scaled(x[0], -0.5f, sum);
  x[0] = plus(x[0], sum);
  x[1] = minus_i(rest, apart);
  x[2] = plus_i(rest, apart);
}

INLINE void four(pair *x) {
  const pair even = plus(x[0], x[2]), apart = minus(x[0], x[2]), odd = plus(x[1], x[3]), side = minus(x[1], x[3]);
  x[0] = plus(even, odd);
  x[1] = minus_i(apart, side);
  x[2] = minus(even, odd);
  x[3] = plus_i(apart, side);
}

INLINE void five(pair *x) {
  const float c1 = 0.309016994374947424f, s1 = 0.951056516295153572f; /* of a fifth of a turn */
  const float c2 = -0.809016994374947424f, s2 = 0.587785252292473129f;
  const pair a = plus(x[1], x[4]), b = plus(x[2], x[3]), c = minus(x[1], x[4]), d = minus(x[2], x[3]);
  const pair near = add_scaled(add_scaled(x[0], c1, a), c2, b), far = add_scaled(add_scaled(x[0], c2, a), c1, b);
  const pair wide = add_scaled(scaled(c, s1), s2, d), narrow = add_scaled(scaled(c, s2), -s1, d);
  x[0] = plus(x[0], plus(a, b));
  x[1] = minus_i(near, wide);
  x[2] = minus_i(far, narrow);
  x[3] = plus_i(far, narrow);
  x[4] = plus_i(near, wide);
}

INLINE void eight(pair *x) {
  const float h = 0.707106781186547524f;
  pair even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  four(even);
  four(odd);
  const pair first = minus_i(odd[1], odd[1]), third = plus_i(odd[3], odd[3]); /* times 1 - i, 1 + i */
  x[0] = plus(even[0], odd[0]);
  x[1] = add_scaled(even[1], h, first);
  x[2] = minus_i(even[2], odd[2]);
  x[3] = add_scaled(even[3], -h, third);
  x[4] = minus(even[0], odd[0]);
  x[5] = add_scaled(even[1], -h, first);
  x[6] = plus_i(even[2], odd[2]);
  x[7] = add_scaled(even[3], h, third);
}

/* With sums and differences of elements j and radix - j only cosines and only sines are needed. */
INLINE void odd(int radix, const float *roots, pair *x) {
  const int half = radix / 2;
  pair sum[FFT_MAX_RADIX / 2 + 1], apart[FFT_MAX_RADIX / 2 + 1], all = x[0];
  for (int j = 1; j <= half; j++) {
    sum[j] = plus(x[j], x[radix - j]);
    apart[j] = minus(x[j], x[radix - j]);
    all = plus(all, sum[j]);
  }
  for (int k = 1; k <= half; k++) {
    pair t = x[0], u = {0};
    for (int j = 1, at = k; j <= half; j++, at = at + k < radix ? at + k : at + k - radix) {
      t = add_scaled(t, roots[2 * at], sum[j]);
      u = add_scaled(u, roots[2 * at + 1], apart[j]);
    }
    x[k] = minus_i(t, u);
    x[radix - k] = plus_i(t, u);
  }
  x[0] = all;
}

/* ---- passes ---- */

/* `count` butterflies: distances of elements in floats, and of roots in pairs. */
typedef struct butterflies {
  int radix;
  const float *roots;
  int64_t count;
  const float *from;
  float *to;
  int64_t from_next, from_far, to_next, to_far;
  const float *turns; /* what results are multiplied by, of the first if `all`; NULL: nothing */
  int64_t turns_next, turns_far;
  bool all;
} butterflies;

#define EACH_BUTTERFLY                                  \
  for (int64_t t = 0; t < b->count; t++) EACH_REGISTER

INLINE void load_butterfly(const butterflies *b, int64_t t, int v, int radix, pair *x) {
  const float *from = b->from + t * b->from_next + v;
  UNROLL for (int j = 0; j < radix; j++) x[j] = get(from + j * b->from_far);
}

INLINE void store_butterfly(const butterflies *b, int64_t t, int v, int radix, bool turns, const pair *x) {
  const float *w = b->turns + 2 * t * b->turns_next;
  float *to = b->to + t * b->to_next + v;
  put(to, turns && b->all ? turned(x[0], w) : x[0]);
  UNROLL for (int k = 1; k < radix; k++) put(to + k * b->to_far, turns ? turned(x[k], w + 2 * k * b->turns_far) : x[k]);
}

#define LOOPS(name, radix)                                     \
  static void name##_loops(const butterflies *b) {             \
    if (b->turns) EACH_BUTTERFLY {                             \
        pair x[radix];                                         \
        load_butterfly(b, t, v, radix, x);                     \
        name(x);                                               \
        store_butterfly(b, t, v, radix, true, x);              \
      }                                                        \
    else EACH_BUTTERFLY {                                      \
        pair x[radix];                                         \
        load_butterfly(b, t, v, radix, x);                     \
        name(x);                                               \
        store_butterfly(b, t, v, radix, false, x);             \
      }                                                        \
  }
LOOPS(two, 2)
LOOPS(three, 3)
LOOPS(four, 4)
LOOPS(five, 5)
LOOPS(eight, 8)

static void odd_loops(const butterflies *b) {
  EACH_BUTTERFLY {
    pair x[FFT_MAX_RADIX];
    const float *from = b->from + t * b->from_next + v, *w = b->turns ? b->turns + 2 * t * b->turns_next : NULL;
    float *to = b->to + t * b->to_next + v;
    for (int j = 0; j < b->radix; j++) x[j] = get(from + j * b->from_far);
    odd(b->radix, b->roots, x);
    for (int k = 0; k < b->radix; k++)
      put(to + k * b->to_far, w && (k || b->all) ? turned(x[k], w + 2 * k * b->turns_far) : x[k]);
  }
}

static void run(const butterflies *b) {
  switch (b->radix) {
    case 2: two_loops(b); break;
    case 3: three_loops(b); break;
    case 4: four_loops(b); break;
    case 5: five_loops(b); break;
    case 8: eight_loops(b); break;
    default: odd_loops(b);
  }
}

typedef struct strided {
  float *at;
  int64_t step;
} strided;

static void pass(const fft_pass *p, strided x, strided y, const float *turns) {
  const int r = p->radix;
  butterflies b = {.radix = r, .roots = p->roots, .from = x.at, .to = y.at, .from_far = p->m * p->s * x.step,
                   .to_far = p->s * y.step, .from_next = x.step, .to_next = y.step, .count = p->s};
  if (p->m == 1 && turns) {
    b.all = true;
    b.turns = turns;
    b.turns_next = 1;
    b.turns_far = p->s;
  }
  run(&b); /* the roots of i = 0 are 1 */
  b.all = false;
  b.turns_far = 1;
  if (p->s == 1) {
    b.from += x.step;
    b.to += r * y.step;
    b.to_next = r * y.step;
    b.turns = p->twiddles + 2 * r;
    b.turns_next = r;
    b.count = p->m - 1;
    run(&b);
    return;
  }
  for (int64_t i = 1; i < p->m; i++) {
    b.from += p->s * x.step;
    b.to += r * p->s * y.step;
    b.turns = p->twiddles + 2 * i * r;
    run(&b);
  }
}

/* From x to y, which may not overlap, through two parts of `room`; result k times pair k of `turns`, if there are any. */
static void run_passes(const fft_passes *p, strided x, strided y, const float *turns, float *room) {
  strided a = {room, E}, b = {room + p->n * E, E};
  for (int i = 0; i < p->count; i++) {
    const bool last = i == p->count - 1;
    pass(&p->at[i], x, last ? y : a, last ? turns : NULL);
    x = a;
    a = b, b = x;
  }
}

/* ---- lines in memory ---- */

typedef float eight_floats __attribute__((vector_size(32)));
TURN_8(floats, eight_floats)

typedef eight_floats eight_floats_at __attribute__((aligned(4), may_alias)); /* wherever they lie */
#define EIGHT_AT(x) (*(const eight_floats_at *)(x))
#define PUT_EIGHT(x, y) (*(eight_floats_at *)(x) = (y))

static int64_t offset(const fft_lines *l, int64_t e) { return e / V * l->leap + e % V * l->step; }

/* Are elements `first` .. first + 3 neighbouring pairs along each line? */
static bool four_along(const fft_lines *l, int64_t first) {
  return l->form == FFT_ALONG && (l->leap == V * l->step || first % V <= V - 4);
}

static void load_four(const fft_lines *l, int64_t first, float *re, float *im, int64_t far) {
  const int64_t at = offset(l, first);
  for (int v = 0; v < V; v += 8) {
    eight_floats x[8];
    UNROLL for (int k = 0; k < 8; k++) x[k] = EIGHT_AT(l->at[v + k] + at);
    turn_floats(x);
    UNROLL for (int t = 0; t < 4; t++) {
      PUT_EIGHT(re + t * far + v, x[2 * t]);
      PUT_EIGHT(im + t * far + v, x[2 * t + 1]);
    }
  }
}

static void load_one(const fft_lines *l, int64_t e, float *re, float *im) {
  const int64_t at = offset(l, e);
  const float *x = l->at[0] + at;
  switch (l->form) {
    case FFT_ACROSS:
      for (int v = 0; v < V; v += 8) {
        const eight_floats a = EIGHT_AT(x + 2 * v), b = EIGHT_AT(x + 2 * v + 8);
        PUT_EIGHT(re + v, PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14));
        PUT_EIGHT(im + v, PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15));
      }
      break;
    case FFT_IN_BLOCK:
    case FFT_ACROSS_PARTS:
      EACH_LINE re[v] = x[v], im[v] = l->real ? 0 : x[l->other + v];
      break;
    default: EACH_LINE re[v] = l->at[v][at], im[v] = l->real ? 0 : l->at[v][at + l->other];
  }
}

/* Elements from `first` on, `far` floats apart in the block. */
static void load_apart(const fft_lines *l, int64_t first, int64_t count, float *block, int64_t far) {
  float *re = block + (l->swap ? V : 0), *im = block + (l->swap ? 0 : V);
  for (int64_t t = 0; t < count;) {
    const bool fours = t + 4 <= count && four_along(l, first + t);
    if (fours) load_four(l, first + t, re + t * far, im + t * far, far);
    else load_one(l, first + t, re + t * far, im + t * far);
    t += fours ? 4 : 1;
  }
}

static void load(const fft_lines *l, int64_t first, int64_t count, float *block) { load_apart(l, first, count, block, E); }

static void store_four(const fft_lines *l, int64_t first, const float *re, const float *im, int64_t far) {
  const int64_t at = offset(l, first);
  for (int v = 0; v < V; v += 8) {
    eight_floats x[8];
    UNROLL for (int t = 0; t < 4; t++) {
      x[2 * t] = EIGHT_AT(re + t * far + v) * l->scale;
      x[2 * t + 1] = EIGHT_AT(im + t * far + v) * l->scale;
    }
    turn_floats(x);
    UNROLL for (int k = 0; k < 8; k++)
      if (v + k < l->count) PUT_EIGHT(l->at[v + k] + at, x[k]);
  }
}

static void store_one(const fft_lines *l, int64_t e, const float *re, const float *im) {
  const int64_t at = offset(l, e);
  float *x = l->at[0] + at;
  switch (l->form) {
    case FFT_ACROSS:
      for (int v = 0; v < V; v += 8) {
        const eight_floats a = EIGHT_AT(re + v) * l->scale, b = EIGHT_AT(im + v) * l->scale;
        PUT_EIGHT(x + 2 * v, PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
        PUT_EIGHT(x + 2 * v + 8, PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15));
      }
      break;
    case FFT_IN_BLOCK:
    case FFT_ACROSS_PARTS:
      EACH_LINE x[v] = re[v] * l->scale;
      if (!l->real) EACH_LINE x[l->other + v] = im[v] * l->scale;
      break;
    default:
      for (int v = 0; v < l->count; v++) {
        l->at[v][at] = re[v] * l->scale;
        if (!l->real) l->at[v][at + l->other] = im[v] * l->scale;
      }
  }
}

static void store_apart(const fft_lines *l, int64_t first, int64_t count, const float *block, int64_t far) {
  const float *re = block + (l->swap ? V : 0), *im = block + (l->swap ? 0 : V);
  if (count > l->n - first) count = l->n - first;
  for (int64_t t = 0; t < count;) {
    const bool fours = t + 4 <= count && four_along(l, first + t);
    if (fours) store_four(l, first + t, re + t * far, im + t * far, far);
    else store_one(l, first + t, re + t * far, im + t * far);
    t += fours ? 4 : 1;
  }
}

static void store(const fft_lines *l, int64_t first, int64_t count, const float *block) {
  store_apart(l, first, count, block, E);
}

/* ---- transforms ---- */

/* Elements first, first + apart, ...: `n` of them, for a store. */
static void turn(const fft_lines *l, int64_t first, int64_t apart, int64_t n, float *block) {
  for (int64_t e = first; n-- > 0; e += apart, block += E) {
    const float w[2] = {l->turns[e], l->turns[l->n + e]}, *fine = l->fine + 2 * FFT_MOST_LINES * e;
    EACH_REGISTER {
      const pair f = {wide_float32(fine + v), wide_float32(fine + FFT_MOST_LINES + v)};
      put(block + v, times(get(block + v), turned(f, w)));
    }
  }
}

/* Short n is one column. */
static void one_column(const fft_plan *p, const fft_lines *from, const fft_lines *to, float *room) {
  const int64_t n = p->n;
  strided x = {room, E}, y = {room + n * E, E};
  if (from->form == FFT_IN_BLOCK) x = (strided){from->at[0], from->step};
  else load(from, 0, n, x.at);
  if (to->form == FFT_IN_BLOCK) y = (strided){to->at[0], to->step};
  run_passes(&p->column, x, y, NULL, room + 2 * n * E);
  if (to->form == FFT_IN_BLOCK) return;
  if (to->fine) turn(to, 0, 1, n, y.at);
  store(to, 0, n, y.at);
}

/* Columns i .. of a group into rows of `between`. */
static void column_group(const fft_plan *p, const fft_lines *from, int64_t i, int64_t count, float *between, float *room) {
  const int64_t rows = p->rows;
  float *columns = room, *rest = room + FFT_GROUP * rows * E;
  if (from->form != FFT_IN_BLOCK)
    for (int64_t j = 0; j < rows; j++) load_apart(from, i + p->columns * j, count, columns + j * E, rows * E);
  for (int64_t t = 0; t < count; t++) {
    const strided x = from->form == FFT_IN_BLOCK ? (strided){from->at[0] + (i + t) * from->step, p->columns * from->step}
                                                 : (strided){columns + t * rows * E, E};
    run_passes(&p->column, x, (strided){between + (i + t) * rows * E, E}, p->turns + 2 * (i + t) * rows, rest);
  }
}

/* Elements k .. of the transforms of all columns. */
static void row_group(const fft_plan *p, const fft_lines *to, int64_t k, int64_t count, float *between, float *room) {
  const int64_t rows = p->rows, columns = p->columns;
  float *results = room, *rest = room + FFT_GROUP * columns * E;
  for (int64_t t = 0; t < count; t++) {
    const strided y = to->form == FFT_IN_BLOCK ? (strided){to->at[0] + (k + t) * to->step, rows * to->step}
                                               : (strided){results + t * columns * E, E};
    run_passes(&p->row, (strided){between + (k + t) * E, rows * E}, y, NULL, rest);
    if (to->fine) turn(to, k + t, rows, columns, y.at);
  }
  if (to->form == FFT_IN_BLOCK) return;
  for (int64_t l = 0; l < columns; l++) store_apart(to, k + rows * l, count, results + l * E, columns * E);
}

static void transform(const fft_plan *p, const fft_lines *from, const fft_lines *to, float *room) {
  if (p->columns == 1) {
    one_column(p, from, to, room);
    return;
  }
  float *between = room, *rest = room + p->n * E;
  for (int64_t i = 0; i < p->columns; i += FFT_GROUP)
    column_group(p, from, i, p->columns - i < FFT_GROUP ? p->columns - i : FFT_GROUP, between, rest);
  for (int64_t k = 0; k < p->rows; k += FFT_GROUP)
    row_group(p, to, k, p->rows - k < FFT_GROUP ? p->rows - k : FFT_GROUP, between, rest);
}

/* ---- products ---- */

static void multiply(float *block, int64_t n, const float *table) {
  for (int64_t j = 0; j < n; j++, block += E, table += 2)
    EACH_REGISTER put(block + v, turned(get(block + v), table));
}

static void outer(const double *low, int64_t step, const double *high, int64_t n, float *restrict products) {
  const int64_t highs = (n + step - 1) / step;
  for (int64_t first = 0; first < n; first += step, high++) {
    const int64_t count = n - first < step ? n - first : step;
    float *re = products + first, *im = re + n;
    for (int64_t j = 0; j < count; j++) {
      re[j] = (float)(low[j] * high[0] - low[step + j] * high[highs]);
      im[j] = (float)(low[j] * high[highs] + low[step + j] * high[0]);
    }
  }
}

/* ---- real signals of an even length 2 h: z[j] = x[2 j] + i x[2 j + 1] ---- */

#define STORE(y, re, im) \
  (y)[v] = (re);         \
  (y)[V + v] = (im);

/* E = (Z[k] + conj Z[h-k]) / 2 and O = (Z[k] - conj Z[h-k]) / 2i are the spectra of the even and odd elements:
   X[k] = E + w^k O, X[h-k] = conj(E - w^k O), w = e^(-pi i / h). */
static void untangle(int64_t h, const float *roots, const float *restrict z, float *restrict x) {
  float *last = x + h * E;
  EACH_LINE {
    STORE(x, z[v] + z[V + v], 0)
    STORE(last, z[v] - z[V + v], 0)
  }
  for (int64_t k = 1; 2 * k <= h; k++) {
    const float *a = z + k * E, *b = z + (h - k) * E, c = roots[2 * k], d = roots[2 * k + 1];
    float *low = x + k * E, *high = x + (h - k) * E;
    EACH_LINE {
      const float er = (a[v] + b[v]) * 0.5f, ei = (a[V + v] - b[V + v]) * 0.5f;
      const float odd_r = (a[V + v] + b[V + v]) * 0.5f, odd_i = (b[v] - a[v]) * 0.5f;
      const float tr = odd_r * c - odd_i * d, ti = odd_r * d + odd_i * c;
      STORE(low, er + tr, ei + ti)
      STORE(high, er - tr, ti - ei)
    }
  }
}

/* With A = X[k] + conj X[h-k] and C = w^-k (X[k] - conj X[h-k]): Z[k] = A + i C, Z[h-k] = conj A + i conj C, all
   twice as large as above. The imaginary parts of X[0] and X[h] are no part of a real signal. */
static void tangle(int64_t h, const float *roots, const float *restrict x, float *restrict z) {
  const float *last = x + h * E;
  EACH_LINE { STORE(z, x[v] - last[v], x[v] + last[v]) }
  for (int64_t k = 1; 2 * k <= h; k++) {
    const float *low = x + k * E, *high = x + (h - k) * E, c = roots[2 * k], d = -roots[2 * k + 1];
    float *a = z + k * E, *b = z + (h - k) * E;
    EACH_LINE {
      const float ar = low[v] + high[v], ai = low[V + v] - high[V + v];
      const float br = low[v] - high[v], bi = low[V + v] + high[V + v];
      const float cr = br * c - bi * d, ci = br * d + bi * c;
      STORE(b, cr - ai, ar + ci)
      STORE(a, ai + cr, ar - ci)
    }
  }
}

static void mirror(int64_t n, float *block) {
  EACH_LINE block[v] = 0;
  for (int64_t k = 1; k < n - k; k++) {
    const float *low = block + k * E;
    float *high = block + (n - k) * E;
    EACH_LINE { STORE(high, -low[v], low[V + v]) }
  }
}

const fft_loops ISA_NAME(fft_loops) = {V, transform, load, store, multiply, untangle, tangle, mirror, outer};
