/* fft.isa.c: the loops of Fourier transforms over blocks of FFT_LINES lines. Built once per instruction set. Uses
   cpu/fft_plan.h. */
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/lanes.h"

enum { V = FFT_LINES, E = FFT_ELEMENT };
#define EACH_LINE for (int v = 0; v < V; v++)

/* ---- passes ---- */

/* y = (r + i s) (c + i d) */
#define STORE_TURNED(y, r, s, c, d) \
  (y)[v] = (r) * (c) - (s) * (d);   \
  (y)[V + v] = (r) * (d) + (s) * (c);
#define STORE(y, r, s) \
  (y)[v] = (r);        \
  (y)[V + v] = (s);

static inline void two(int64_t s, int64_t far, const float *w, const float *restrict a, float *restrict y) {
  for (int64_t q = 0; q < s; q++, a += E, y += E) {
    const float *b = a + far;
    float *z = y + s * E;
    EACH_LINE {
      const float r = a[v] - b[v], i = a[V + v] - b[V + v];
      STORE(y, a[v] + b[v], a[V + v] + b[V + v])
      if (w) {
        STORE_TURNED(z, r, i, w[0], w[1])
      } else {
        STORE(z, r, i)
      }
    }
  }
}

static inline void four(int64_t s, int64_t far, const float *w, const float *restrict a, float *restrict y) {
  for (int64_t q = 0; q < s; q++, a += E, y += E) {
    const float *b = a + far, *c = b + far, *d = c + far;
    float *y1 = y + s * E, *y2 = y1 + s * E, *y3 = y2 + s * E;
    EACH_LINE {
      const float even_r = a[v] + c[v], even_i = a[V + v] + c[V + v];
      const float apart_r = a[v] - c[v], apart_i = a[V + v] - c[V + v];
      const float odd_r = b[v] + d[v], odd_i = b[V + v] + d[V + v];
      const float turned_r = b[V + v] - d[V + v], turned_i = d[v] - b[v]; /* -i (b - d) */
      STORE(y, even_r + odd_r, even_i + odd_i)
      if (w) {
        STORE_TURNED(y1, apart_r + turned_r, apart_i + turned_i, w[0], w[1])
        STORE_TURNED(y2, even_r - odd_r, even_i - odd_i, w[2], w[3])
        STORE_TURNED(y3, apart_r - turned_r, apart_i - turned_i, w[4], w[5])
      } else {
        STORE(y1, apart_r + turned_r, apart_i + turned_i)
        STORE(y2, even_r - odd_r, even_i - odd_i)
        STORE(y3, apart_r - turned_r, apart_i - turned_i)
      }
    }
  }
}

/* With sums and differences of elements j and radix - j only cosines and only sines are needed. */
static inline void odd(int radix, const float *roots, int64_t s, int64_t far, const float *w,
                       const float *restrict x, float *restrict y) {
  const int half = radix / 2;
  for (int64_t q = 0; q < s; q++, x += E, y += E) {
    float sum[FFT_MAX_RADIX / 2][E], apart[FFT_MAX_RADIX / 2][E], all[E];
    for (int e = 0; e < E; e++) all[e] = x[e];
    for (int j = 1; j <= half; j++) {
      const float *low = x + j * far, *high = x + (radix - j) * far;
      for (int e = 0; e < E; e++) {
        sum[j - 1][e] = low[e] + high[e];
        apart[j - 1][e] = low[e] - high[e];
        all[e] += sum[j - 1][e];
      }
    }
    for (int e = 0; e < E; e++) y[e] = all[e];
    for (int k = 1; k <= half; k++) {
      float t[E], u[E];
      for (int e = 0; e < E; e++) t[e] = x[e], u[e] = 0;
      for (int j = 1, at = k; j <= half; j++, at = at + k < radix ? at + k : at + k - radix) {
        const float c = roots[2 * at], d = roots[2 * at + 1];
        for (int e = 0; e < E; e++) {
          t[e] += sum[j - 1][e] * c;
          u[e] += apart[j - 1][e] * d;
        }
      }
      float *low = y + k * s * E, *high = y + (radix - k) * s * E;
      if (w) {
        const float *wl = w + 2 * (k - 1), *wh = w + 2 * (radix - k - 1);
        EACH_LINE {
          STORE_TURNED(low, t[v] + u[V + v], t[V + v] - u[v], wl[0], wl[1])
          STORE_TURNED(high, t[v] - u[V + v], t[V + v] + u[v], wh[0], wh[1])
        }
      } else {
        EACH_LINE {
          STORE(low, t[v] + u[V + v], t[V + v] - u[v])
          STORE(high, t[v] - u[V + v], t[V + v] + u[v])
        }
      }
    }
  }
}

/* Twiddles of i = 0 are 1, and those of the last pass are no others. */
#define EACH_TURN(BUTTERFLIES)                                              \
  for (int64_t i = 0; i < p->m; i++) {                                      \
    const float *w = i ? p->twiddles + 2 * (i - 1) * (p->radix - 1) : NULL; \
    const float *x = from + i * p->s * E;                                   \
    float *y = to + i * p->radix * p->s * E;                                \
    if (w) BUTTERFLIES(w);                                                  \
    else BUTTERFLIES(NULL);                                                 \
  }

static void pass(const fft_pass *p, const float *from, float *to) {
  const int64_t s = p->s, far = p->m * s * E;
  switch (p->radix) {
#define TWO(w) two(s, far, w, x, y)
    case 2: EACH_TURN(TWO) break;
#define FOUR(w) four(s, far, w, x, y)
    case 4: EACH_TURN(FOUR) break;
#define THREE(w) odd(3, p->roots, s, far, w, x, y)
    case 3: EACH_TURN(THREE) break;
#define FIVE(w) odd(5, p->roots, s, far, w, x, y)
    case 5: EACH_TURN(FIVE) break;
#define ODD(w) odd(p->radix, p->roots, s, far, w, x, y)
    default: EACH_TURN(ODD) break;
  }
}

/* ---- lines in memory ---- */

/* Are the lines neighbours, complex (unit 2) or real (unit 1), and all there? */
static bool side_by_side(const fft_lines *l, int unit) {
  if (l->count != V || (!l->real && l->other == 1) != (unit == 2)) return false;
  for (int v = 1; v < V; v++)
    if (l->at[v] != l->at[0] + v * unit) return false;
  return true;
}

enum { TURNS = 64 }; /* elements of a line in a row: what 16 lines write meanwhile stays in the nearest cache */

static void load_apart(const fft_lines *l, int64_t n, float *re, float *im) {
  for (int64_t first = 0; first < n; first += TURNS) {
    const int64_t end = first + TURNS < n ? first + TURNS : n;
    for (int v = 0; v < l->count; v++) {
      const float *x = l->at[v] + first * l->step;
      if (l->real)
        for (int64_t j = first; j < end; j++, x += l->step) re[j * E + v] = x[0], im[j * E + v] = 0;
      else
        for (int64_t j = first; j < end; j++, x += l->step) re[j * E + v] = x[0], im[j * E + v] = x[l->other];
    }
    for (int v = l->count; v < V; v++)
      for (int64_t j = first; j < end; j++) re[j * E + v] = im[j * E + v] = 0;
  }
}

static void load(const fft_lines *l, int64_t n, bool swap, float *block) {
  float *re = block + (swap ? V : 0), *im = block + (swap ? 0 : V);
  const float *x = l->at[0];
  if (side_by_side(l, 2)) {
    for (int64_t j = 0; j < n; j++, x += l->step, re += E, im += E)
      EACH_LINE re[v] = x[2 * v], im[v] = x[2 * v + 1];
  } else if (side_by_side(l, 1)) {
    for (int64_t j = 0; j < n; j++, x += l->step, re += E, im += E)
      EACH_LINE re[v] = x[v], im[v] = l->real ? 0 : x[l->other + v];
  } else {
    load_apart(l, n, re, im);
  }
}

static void store_apart(const fft_lines *l, int64_t n, float scale, const float *re, const float *im) {
  for (int64_t first = 0; first < n; first += TURNS) {
    const int64_t end = first + TURNS < n ? first + TURNS : n;
    for (int v = 0; v < l->count; v++) {
      float *x = l->at[v] + first * l->step;
      for (int64_t j = first; j < end; j++, x += l->step) {
        x[0] = re[j * E + v] * scale;
        if (!l->real) x[l->other] = im[j * E + v] * scale;
      }
    }
  }
}

static void store(const fft_lines *l, int64_t n, bool swap, float scale, const float *block) {
  const float *re = block + (swap ? V : 0), *im = block + (swap ? 0 : V);
  float *x = l->at[0];
  if (side_by_side(l, 2)) {
    for (int64_t j = 0; j < n; j++, x += l->step, re += E, im += E)
      EACH_LINE x[2 * v] = re[v] * scale, x[2 * v + 1] = im[v] * scale;
  } else if (side_by_side(l, 1)) {
    for (int64_t j = 0; j < n; j++, x += l->step, re += E, im += E) {
      EACH_LINE x[v] = re[v] * scale;
      if (!l->real) EACH_LINE x[l->other + v] = im[v] * scale;
    }
  } else {
    store_apart(l, n, scale, re, im);
  }
}

/* ---- products ---- */

static void multiply(float *block, int64_t n, const float *table) {
  for (int64_t j = 0; j < n; j++, block += E, table += 2) {
    const float c = table[0], d = table[1];
    EACH_LINE {
      const float r = block[v], i = block[V + v];
      STORE_TURNED(block, r, i, c, d)
    }
  }
}

static void turn(float *block, int64_t n, const float *turns, const float *restrict fine) {
  for (int64_t j = 0; j < n; j++, block += E, turns += 2, fine += E) {
    const float c = turns[0], d = turns[1];
    EACH_LINE {
      const float wr = fine[v] * c - fine[V + v] * d, wi = fine[v] * d + fine[V + v] * c;
      const float r = block[v], i = block[V + v];
      STORE_TURNED(block, r, i, wr, wi)
    }
  }
}

/* ---- real signals of an even length 2 h: z[j] = x[2 j] + i x[2 j + 1] ---- */

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

const fft_loops ISA_NAME(fft_loops) = {pass, load, store, multiply, turn, untangle, tangle, mirror};
