/* fft.isa.c: the loops of Fourier transforms over blocks. Built once per instruction set. Uses cpu/fft_radix.h. */
#include "backends/cpu/fft_radix.h"

/* ---- passes ---- */

/* Elements in a block, `step` floats apart. */
typedef struct strided {
  float *at;
  int64_t step;
} strided;

/* `count` butterflies: from one, and from one of its elements, to the next. */
typedef struct butterflies {
  int radix;
  const float *roots;
  int64_t count;
  strided from, to;
  int64_t from_far, to_far;
  const float *turns; /* pairs that results are multiplied by, of the first if `all`; NULL: there are none */
  int64_t turns_next, turns_far;
  bool all;
} butterflies;

INLINE void load_butterfly(const butterflies *b, int64_t t, int v, int radix, pair *x) {
  const float *from = b->from.at + t * b->from.step + v;
  UNROLL for (int j = 0; j < radix; j++) x[j] = get(from + j * b->from_far);
}

INLINE void store_butterfly(const butterflies *b, int64_t t, int v, int radix, const pair *x) {
  const float *w = b->turns + t * b->turns_next;
  float *to = b->to.at + t * b->to.step + v;
  if (b->turns) {
    put(to, b->all ? turned(x[0], w) : x[0]);
    UNROLL for (int k = 1; k < radix; k++) put(to + k * b->to_far, turned(x[k], w + k * b->turns_far));
  } else {
    UNROLL for (int k = 0; k < radix; k++) put(to + k * b->to_far, x[k]);
  }
}

#define EACH_BUTTERFLY for (int64_t t = 0; t < b->count; t++) EACH_REGISTER
/* `own`: what a loop writes might be *p, for all the compiler knows. */
#define LOOP(name, radix)                         \
  static void name##_loop(const butterflies *p) { \
    const butterflies own = *p, *b = &own;        \
    EACH_BUTTERFLY {                              \
      pair x[radix];                              \
      load_butterfly(b, t, v, radix, x);          \
      name(x);                                    \
      store_butterfly(b, t, v, radix, x);         \
    }                                             \
  }
LOOP(two, 2)
LOOP(three, 3)
LOOP(four, 4)
LOOP(five, 5)
LOOP(eight, 8)

static void odd_loop(const butterflies *b) {
  EACH_BUTTERFLY {
    const float *from = b->from.at + t * b->from.step + v, *w = b->turns + t * b->turns_next;
    float *to = b->to.at + t * b->to.step + v;
    pair x[FFT_MAX_RADIX];
    for (int j = 0; j < b->radix; j++) x[j] = get(from + j * b->from_far);
    odd(b->radix, b->roots, x);
    for (int k = 0; k < b->radix; k++) {
      const bool turns = b->turns && (k > 0 || b->all);
      put(to + k * b->to_far, turns ? turned(x[k], w + k * b->turns_far) : x[k]);
    }
  }
}

static void run(const butterflies *b) {
  switch (b->radix) {
    case 2: two_loop(b); break;
    case 3: three_loop(b); break;
    case 4: four_loop(b); break;
    case 5: five_loop(b); break;
    case 8: eight_loop(b); break;
    default: odd_loop(b);
  }
}

/* turns: pairs for the results, `turns_step` floats apart; NULL: there are none, or this is not the last pass. */
static void pass(const fft_pass *p, strided x, strided y, const float *turns, int64_t turns_step) {
  const int r = p->radix;
  butterflies b = {.radix = r, .roots = p->roots, .from = x, .to = y, .from_far = p->m * p->s * x.step,
                   .to_far = p->s * y.step, .count = p->s, .turns = turns, .turns_next = turns_step,
                   .turns_far = p->s * turns_step, .all = true};
  if (p->m == 1) {
    run(&b);
    return;
  }
  b.turns_far = 2;
  b.all = false;
  if (p->s == 1) { /* one after another, though the roots of the first are 1 */
    b.to.step = r * y.step;
    b.turns = p->twiddles;
    b.turns_next = 2 * r;
    b.count = p->m;
    run(&b);
    return;
  }
  run(&b);
  b.turns_next = 0;
  for (int64_t i = 1; i < p->m; i++) {
    b.from.at += p->s * x.step;
    b.to.at += r * p->s * y.step;
    b.turns = p->twiddles + 2 * i * r;
    run(&b);
  }
}

/* From x to y, which may not overlap, through two parts of `room`. */
static void run_passes(const fft_passes *p, strided x, strided y, const float *turns, int64_t turns_step, float *room) {
  strided a = {room, E}, b = {room + p->n * E, E};
  for (int i = 0; i < p->count; i++) {
    const bool last = i == p->count - 1;
    pass(&p->at[i], x, last ? y : a, last ? turns : NULL, turns_step);
    x = a;
    a = b, b = x;
  }
}

/* ---- lines in memory ---- */

typedef float eight_floats __attribute__((vector_size(32)));
typedef eight_floats eight_floats_at __attribute__((aligned(4), may_alias)); /* wherever they lie */
#define EIGHT_AT(x) (*(const eight_floats_at *)(x))
#define PUT_EIGHT(x, y) (*(eight_floats_at *)(x) = (y))
TURN_8(floats, eight_floats)

/* `count` elements from `first` on, `apart` from one to the next, and where they are in a block, `far` floats apart. */
typedef struct stretch {
  int64_t first, count, apart;
  float *block;
  int64_t far;
} stretch;

/* Lines side by side. */
INLINE void load_across(const fft_lines *l, fft_form form, stretch s) {
  const float *x = l->at[0] + s.first * l->step;
  const vector_float none = SPLAT_FLOAT(0.0f);
  for (; s.count-- > 0; x += s.apart * l->step, s.block += s.far)
    EACH_REGISTER {
      pair a;
      if (form == FFT_IN_BLOCK) a = get(x + v);
      else if (form == FFT_ACROSS) a = get_pairs(x + 2 * v);
      else a = (pair){IN_ORDER(wide_float32(x + v)), l->real ? none : IN_ORDER(wide_float32(x + l->other + v))};
      put(s.block + v, exchanged(a, l->swap));
    }
}

INLINE void store_across(const fft_lines *l, fft_form form, stretch s) {
  float *x = l->at[0] + s.first * l->step;
  for (; s.count-- > 0; x += s.apart * l->step, s.block += s.far)
    EACH_REGISTER {
      pair a = exchanged(scaled(get(s.block + v), l->scale), l->swap);
      if (form == FFT_IN_BLOCK) {
        put(x + v, a);
      } else if (form == FFT_ACROSS) {
        put_pairs(x + 2 * v, a);
      } else {
        a = (pair){IN_ORDER(a.r), IN_ORDER(a.i)};
        memcpy(x + v, &a.r, sizeof a.r);
        if (!l->real) memcpy(x + l->other + v, &a.i, sizeof a.i);
      }
    }
}

/* Where real parts are in an element of a block. */
static int real_at(const fft_lines *l) { return l->swap ? V : 0; }

/* Pairs of neighbouring elements, four of each of eight lines. */
static void load_four(const fft_lines *l, int64_t first, float *block, int64_t far) {
  const int64_t in_blocks = first / V * l->leap + (first % V & ~7);
  float *re = block + real_at(l), *im = block + V - real_at(l);
  for (int v = 0; v < V; v += 8) {
    eight_floats x[8];
    UNROLL for (int k = 0; k < 8; k++) {
      const float *line = l->at[v + LINE_AT(k)];
      if (l->form == FFT_ALONG) x[k] = EIGHT_AT(line + 2 * first);
      else if (first % 8 == 0) x[k] = PICK(EIGHT_AT(line + in_blocks), EIGHT_AT(line + in_blocks + V), LOWER_EIGHT);
      else x[k] = PICK(EIGHT_AT(line + in_blocks), EIGHT_AT(line + in_blocks + V), UPPER_EIGHT);
    }
    turn_floats(x);
    UNROLL for (int t = 0; t < 4; t++) {
      PUT_EIGHT(re + t * far + v, x[2 * t]);
      PUT_EIGHT(im + t * far + v, x[2 * t + 1]);
    }
  }
}

static void store_four(const fft_lines *l, int64_t first, const float *block, int64_t far) {
  const float *re = block + real_at(l), *im = block + V - real_at(l);
  for (int v = 0; v < V; v += 8) {
    eight_floats x[8];
    UNROLL for (int t = 0; t < 4; t++) {
      x[2 * t] = EIGHT_AT(re + t * far + v) * l->scale;
      x[2 * t + 1] = EIGHT_AT(im + t * far + v) * l->scale;
    }
    turn_floats(x);
    UNROLL for (int k = 0; k < 8; k++)
      if (v + LINE_AT(k) < l->count) PUT_EIGHT(l->at[v + LINE_AT(k)] + 2 * first, x[k]);
  }
}

static void load_any(const fft_lines *l, stretch s) {
  const int re = real_at(l);
  for (int64_t e = s.first; s.count-- > 0; e += s.apart, s.block += s.far) {
    const int64_t at = l->form == FFT_IN_BLOCKS ? e / V * l->leap + LINE_AT(e % V) : e * l->step;
    EACH_LINE {
      const float *x = l->at[LINE_AT(v)] + at;
      s.block[re + v] = x[0];
      s.block[V - re + v] = l->real ? 0 : x[l->other];
    }
  }
}

static void store_any(const fft_lines *l, stretch s) {
  const int re = real_at(l);
  for (int64_t at = s.first * l->step; s.count-- > 0; at += s.apart * l->step, s.block += s.far)
    EACH_LINE {
      if (LINE_AT(v) >= l->count) continue;
      float *x = l->at[LINE_AT(v)] + at;
      x[0] = s.block[re + v] * l->scale;
      if (!l->real) x[l->other] = s.block[V - re + v] * l->scale;
    }
}

static bool is_along(const fft_lines *l) { return l->form == FFT_ALONG || l->form == FFT_IN_BLOCKS; }

static void load_stretch(const fft_lines *l, stretch s) {
  switch (l->form) {
    case FFT_IN_BLOCK: load_across(l, FFT_IN_BLOCK, s); return;
    case FFT_ACROSS: load_across(l, FFT_ACROSS, s); return;
    case FFT_ACROSS_PARTS: load_across(l, FFT_ACROSS_PARTS, s); return;
    default: break;
  }
  if (is_along(l) && s.apart == 1 && (l->form == FFT_ALONG || s.first % 4 == 0))
    for (; s.count >= 4; s.count -= 4, s.first += 4, s.block += 4 * s.far) load_four(l, s.first, s.block, s.far);
  load_any(l, s);
}

static void store_stretch(const fft_lines *l, stretch s) {
  const int64_t there = (l->n - s.first + s.apart - 1) / s.apart;
  if (s.count > there) s.count = there;
  switch (l->form) {
    case FFT_IN_BLOCK: store_across(l, FFT_IN_BLOCK, s); return;
    case FFT_ACROSS: store_across(l, FFT_ACROSS, s); return;
    case FFT_ACROSS_PARTS: store_across(l, FFT_ACROSS_PARTS, s); return;
    default: break;
  }
  if (is_along(l) && s.apart == 1)
    for (; s.count >= 4; s.count -= 4, s.first += 4, s.block += 4 * s.far) store_four(l, s.first, s.block, s.far);
  store_any(l, s);
}

static void load(const fft_lines *l, int64_t count, float *block) {
  load_stretch(l, (stretch){0, count, 1, block, E});
}
static void store(const fft_lines *l, int64_t count, float *block) {
  store_stretch(l, (stretch){0, count, 1, block, E});
}

/* Elements first + t + j apart, t < neighbours, j < count, one t after another in the block; read by neighbours where lines
   lie along. */
static void load_group(const fft_lines *l, int64_t first, int64_t neighbours, int64_t count, int64_t apart, float *block) {
  for (int64_t j = 0; is_along(l) && j < count; j++)
    load_stretch(l, (stretch){first + j * apart, neighbours, 1, block + j * E, count * E});
  for (int64_t t = 0; !is_along(l) && t < neighbours; t++)
    load_stretch(l, (stretch){first + t, count, apart, block + t * count * E, E});
}

static void store_group(const fft_lines *l, int64_t first, int64_t neighbours, int64_t count, int64_t apart, float *block) {
  for (int64_t j = 0; is_along(l) && j < count; j++)
    store_stretch(l, (stretch){first + j * apart, neighbours, 1, block + j * E, count * E});
  for (int64_t t = 0; !is_along(l) && t < neighbours; t++)
    store_stretch(l, (stretch){first + t, count, apart, block + t * count * E, E});
}

/* ---- transforms ---- */

static strided in_block(const fft_lines *l, int64_t first, int64_t apart) {
  return (strided){l->at[0] + first * l->step, apart * l->step};
}

/* Elements first, first + apart, ...: `n` of them, for a store. */
static void turn_lines(const fft_lines *l, int64_t first, int64_t apart, int64_t n, strided x) {
  for (int64_t e = first; n-- > 0; e += apart, x.at += x.step)
    EACH_REGISTER {
      const pair w = {SPLAT_FLOAT(l->turns[e]), SPLAT_FLOAT(l->turns[l->n + e])};
      put(x.at + v, times(get(x.at + v), times(get_pairs(l->fine + 2 * (FFT_MOST_LINES * e + v)), w)));
    }
}

/* Short n is one column. */
static void one_column(const fft_plan *p, const fft_lines *from, const fft_lines *to, float *room) {
  const int64_t n = p->n;
  strided x = {room, E}, y = {room + n * E, E};
  if (from->form == FFT_IN_BLOCK) x = in_block(from, 0, 1);
  else load(from, n, x.at);
  if (to->form == FFT_IN_BLOCK) y = in_block(to, 0, 1);
  run_passes(&p->column, x, y, NULL, 0, room + 2 * n * E);
  if (to->fine) turn_lines(to, 0, 1, n, y);
  if (to->form != FFT_IN_BLOCK) store(to, n, y.at);
}

/* Columns i .. of a group into rows of `between`. */
static void column_group(const fft_plan *p, const fft_lines *from, int64_t i, int64_t count, float *between, float *room) {
  const int64_t rows = p->rows;
  float *columns = room, *rest = room + FFT_GROUP * rows * E;
  if (from->form != FFT_IN_BLOCK) load_group(from, i, count, rows, p->columns, columns);
  for (int64_t t = 0; t < count; t++) {
    strided x = {columns + t * rows * E, E};
    if (from->form == FFT_IN_BLOCK) x = in_block(from, i + t, p->columns);
    run_passes(&p->column, x, (strided){between + (i + t) * rows * E, E}, p->turns + 2 * (i + t), 2 * p->columns, rest);
  }
}

/* Elements k .. of the transforms of all columns. */
static void row_group(const fft_plan *p, const fft_lines *to, int64_t k, int64_t count, float *between, float *room) {
  const int64_t rows = p->rows, columns = p->columns;
  float *results = room, *rest = room + FFT_GROUP * columns * E;
  for (int64_t t = 0; t < count; t++) {
    strided y = {results + t * columns * E, E};
    if (to->form == FFT_IN_BLOCK) y = in_block(to, k + t, rows);
    run_passes(&p->row, (strided){between + (k + t) * E, rows * E}, y, NULL, 0, rest);
    if (to->fine) turn_lines(to, k + t, rows, columns, y);
  }
  if (to->form != FFT_IN_BLOCK) store_group(to, k, count, columns, rows, results);
}

/* Eight rows of eight columns times their roots, turned: from blocks whose lines are columns to one whose lines are rows. */
static void turn_square(const float *columns, const float *roots, int64_t roots_step, float *rows) {
  eight_floats re[8], im[8];
  UNROLL for (int k = 0; k < 8; k++) {
    const float *x = columns + k * E, *w = roots + k * roots_step;
    const eight_floats a = EIGHT_AT(x), b = EIGHT_AT(x + V), c = EIGHT_AT(w), d = EIGHT_AT(w + 8);
    const eight_floats wr = PICK(c, d, EVENS_EIGHT), wi = PICK(c, d, ODDS_EIGHT);
    re[LINE_AT(k)] = a * wr - b * wi;
    im[LINE_AT(k)] = a * wi + b * wr;
  }
  turn_floats(re);
  turn_floats(im);
  UNROLL for (int i = 0; i < 8; i++) {
    PUT_EIGHT(rows + LINE_AT(i) * E, re[i]);
    PUT_EIGHT(rows + LINE_AT(i) * E + V, im[i]);
  }
}

/* One line from pairs to pairs: side by side are its columns, then its rows. */
static void one_line(const fft_plan *p, const fft_lines *from, const fft_lines *to, int line, float *room) {
  const int64_t rows = p->rows, columns = p->columns, most = rows > columns ? rows : columns;
  float *between = room, *x = between + 2 * p->n, *y = x + most * E, *rest = y + most * E;
  fft_lines in = {.step = 2 * columns, .swap = from->swap}, out = {.step = 2 * rows, .swap = to->swap, .scale = to->scale};
  for (int64_t i = 0; i < columns; i += V) {
    in.at[0] = from->at[line] + 2 * i;
    load_across(&in, FFT_ACROSS, (stretch){0, rows, 1, x, E});
    run_passes(&p->column, (strided){x, E}, (strided){between + 2 * i * rows, E}, NULL, 0, rest);
  }
  for (int64_t k = 0; k < rows; k += V) {
    for (int64_t i = 0; i < columns; i += 8)
      for (int v = 0; v < V; v += 8)
        turn_square(between + i / V * rows * E + (k + v) * E + i % V, p->turns + 2 * ((k + v) * columns + i), 2 * columns,
                    x + i * E + v);
    run_passes(&p->row, (strided){x, E}, (strided){y, E}, NULL, 0, rest);
    out.at[0] = to->at[line] + 2 * k;
    store_across(&out, FFT_ACROSS, (stretch){0, columns, 1, y, E});
  }
}

static int64_t group(int64_t first, int64_t n) { return n - first < FFT_GROUP ? n - first : FFT_GROUP; }

static void transform(const fft_plan *p, const fft_lines *from, const fft_lines *to, float *room) {
  float *between = room, *rest = room + p->n * E;
  if (p->columns == 1) {
    one_column(p, from, to, room);
  } else if (from->form == FFT_ALONG && to->form == FFT_ALONG && fft_by_line(p, V)) {
    for (int i = 0; i < from->count; i++) one_line(p, from, to, i, room);
  } else {
    for (int64_t i = 0; i < p->columns; i += FFT_GROUP) column_group(p, from, i, group(i, p->columns), between, rest);
    for (int64_t k = 0; k < p->rows; k += FFT_GROUP) row_group(p, to, k, group(k, p->rows), between, rest);
  }
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

/* ---- the same of one signal, pairs in a row ---- */

typedef struct meeting { /* `count` pairs of x from k on, and those that they meet: from h - k on backwards */
  pair front, back;
} meeting;

/* Fewer than a register's are taken through one in memory. */
static meeting meet(const float *x, int64_t h, int64_t k, int64_t count) {
  const float *front = x + 2 * k, *back = x + 2 * (h - k - count + 1);
  float some[2][2 * LANES] = {{0}};
  if (count < LANES) {
    memcpy(some[0], front, (size_t)count * 2 * sizeof *x);
    memcpy(some[1] + 2 * (LANES - count), back, (size_t)count * 2 * sizeof *x);
    front = some[0], back = some[1];
  }
  const pair b = get_pairs(back);
  return (meeting){get_pairs(front), {PICK(b.r, b.r, BACKWARDS), PICK(b.i, b.i, BACKWARDS)}};
}

static void part(float *x, int64_t h, int64_t k, int64_t count, meeting m) {
  const pair back = {PICK(m.back.r, m.back.r, BACKWARDS), PICK(m.back.i, m.back.i, BACKWARDS)};
  float some[2][2 * LANES], *to_front = x + 2 * k, *to_back = x + 2 * (h - k - count + 1);
  const bool all = count == LANES;
  put_pairs(all ? to_front : some[0], m.front);
  put_pairs(all ? to_back : some[1], back);
  if (all) return;
  memcpy(to_front, some[0], (size_t)count * 2 * sizeof *x);
  memcpy(to_back, some[1] + 2 * (LANES - count), (size_t)count * 2 * sizeof *x);
}

static void untangle_pairs(int64_t h, const float *roots, const float *z, float scale, int64_t first, int64_t end,
                           float *x) {
  if (first == 0) {
    const float re = z[0] * scale, im = z[1] * scale;
    x[0] = re + im, x[2 * h] = re - im;
    x[1] = x[2 * h + 1] = 0;
  }
  for (int64_t k = first ? first : 1; k < end; k += LANES) {
    const int64_t count = end - k < LANES ? end - k : LANES;
    const meeting m = meet(z, h, k, count);
    const pair a = m.front, b = m.back, even = {a.r + b.r, a.i - b.i};
    const pair t = times((pair){a.i + b.i, b.r - a.r}, get_pairs(roots + 2 * k));
    const pair low = plus(even, t), high = {even.r - t.r, t.i - even.i};
    part(x, h, k, count, (meeting){scaled(low, 0.5f * scale), scaled(high, 0.5f * scale)});
  }
}

static void tangle_pairs(int64_t h, const float *roots, const float *x, int64_t first, int64_t end, float *z) {
  if (first == 0) {
    const float a = x[0], b = x[2 * h];
    z[0] = a + b;
    z[1] = a - b;
  }
  for (int64_t k = first ? first : 1; k < end; k += LANES) {
    const int64_t count = end - k < LANES ? end - k : LANES;
    const meeting m = meet(x, h, k, count);
    const pair w = get_pairs(roots + 2 * k), a = {m.front.r + m.back.r, m.front.i - m.back.i};
    const pair c = times((pair){m.front.r - m.back.r, m.front.i + m.back.i}, (pair){w.r, -w.i});
    part(z, h, k, count, (meeting){plus_i(a, c), {a.r + c.i, c.r - a.i}});
  }
}

const fft_loops ISA_NAME(fft_loops) = {V, transform, load, store, multiply, untangle, tangle, mirror,
                                      untangle_pairs, tangle_pairs, outer};
