/* fft_plan.c: plans of Fourier transforms, and the cache they stay in. Roots of unity are computed in double and
   rounded once. Uses cpu/fft_plan.h, cpu/fft_wide.h. */
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/fft_wide.h"
#include <pthread.h>

static void plan_free(fft_plan *p);

/* ---- roots ---- */

static void root_float(int64_t k, int64_t n, float *pair) {
  double wide[2];
  fft_root(k, n, wide);
  pair[0] = (float)wide[0];
  pair[1] = (float)wide[1];
}

/* ---- passes ---- */

static void *take(fft_plan *p, size_t bytes) {
  p->bytes += bytes;
  return mem_alloc(bytes);
}

/* As fft_factors has them, but eights as far as no two is left over; of 1 one, for the pass that copies. */
static int radices(int64_t n, int64_t out[FFT_MAX_PASSES]) {
  int count = 0;
  for (; n % 8 == 0 && n % 32 != 16; n /= 8) out[count++] = 8;
  count += fft_factors(n, out + count);
  if (!count) out[count++] = 1;
  return count;
}

/* Pairs in the table for passes of length n. */
static int64_t pairs_for(int64_t n) {
  int64_t factors[FFT_MAX_PASSES], pairs = 0;
  const int count = radices(n, factors);
  for (int i = 0; i < count; pairs += n + factors[i], n /= factors[i++]) continue;
  return pairs;
}

/* The table's end after it. */
static float *make_passes(fft_passes *p, int64_t n, float *w) {
  int64_t factors[FFT_MAX_PASSES], s = 1;
  p->n = n;
  p->count = radices(n, factors);
  for (int i = 0; i < p->count; i++) {
    const int r = (int)factors[i];
    const int64_t m = n / s / r;
    p->at[i] = (fft_pass){.radix = r, .m = m, .s = s, .twiddles = w + 2 * r, .roots = w};
    for (int k = 0; k < r; k++, w += 2) {
      root_float(k, r, w);
      w[1] = -w[1];
    }
    for (int64_t j = 0; j < m; j++)
      for (int k = 0; k < r; k++, w += 2) root_float(j * k, m * r, w);
    s *= r;
  }
  return w;
}

/* The divisor of n nearest to its root, from below; a multiple of `unit` as well as n over it, if there is one. */
static int64_t even_divisor(int64_t n, int64_t unit) {
  int64_t best = 1, even = 1;
  for (int64_t d = 1; d * d <= n; d++) {
    if (n % d) continue;
    best = d;
    if (d % unit == 0 && n / d % unit == 0) even = d;
  }
  return even > 1 ? even : best;
}

enum { SHORTEST_MATRIX = 64 };

static bool make_matrix(fft_plan *p) {
  p->rows = p->n < SHORTEST_MATRIX ? p->n : even_divisor(p->n, cpu_fft_loops()->lines);
  if (p->rows == 1) p->rows = p->n;
  p->columns = p->n / p->rows;
  const int64_t pairs = pairs_for(p->rows) + pairs_for(p->columns) + p->n;
  float *w = p->table = take(p, (size_t)(2 * pairs) * sizeof *w);
  if (!w) return false;
  w = make_passes(&p->column, p->rows, w);
  w = make_passes(&p->row, p->columns, w);
  p->turns = w;
  for (int64_t k = 0; k < p->rows; k++)
    for (int64_t i = 0; i < p->columns; i++, w += 2) root_float(i * k, p->n, w);
  return true;
}

int64_t fft_room(const fft_plan *p) {
  const int64_t most = p->rows > p->columns ? p->rows : p->columns;
  return p->columns == 1 ? 4 * p->n : p->n + (FFT_GROUP + 2) * most;
}

/* ---- Bluestein's convolution ---- */

static bool make_chirp(fft_plan *p, fft_kind inner, error **why) {
  fft_wide *wide = fft_wide_new(p->n);
  p->inner = wide ? fft_plan_get(inner, wide->inner->n, why) : NULL;
  if (p->inner) p->chirp = take(p, (size_t)(2 * p->n) * sizeof *p->chirp);
  if (p->inner) p->spectrum = take(p, (size_t)(2 * p->inner->n) * sizeof *p->spectrum);
  const bool fine = p->chirp && p->spectrum;
  for (int64_t k = 0; fine && k < 2 * p->n; k++) p->chirp[k] = (float)wide->chirp[k];
  for (int64_t k = 0; fine && k < 2 * p->inner->n; k++) p->spectrum[k] = (float)wide->spectrum[k];
  fft_wide_free(wide);
  return fine;
}

/* ---- one long line as a matrix ---- */

static bool make_split(fft_plan *p, error **why) {
  p->rows = even_divisor(p->n, 1);
  p->columns = p->n / p->rows;
  p->long_column = fft_plan_get(FFT_BLOCK, p->rows, why);
  if (p->long_column) p->long_row = fft_plan_get(FFT_BLOCK, p->columns, why);
  if (!p->long_row) return false;
  while (1ll << 2 * p->coarse_bits < p->n) p->coarse_bits++;
  const int64_t step = 1ll << p->coarse_bits;
  p->fine = take(p, (size_t)(p->rows * 2 * FFT_MOST_LINES) * sizeof *p->fine);
  p->coarse = take(p, (size_t)(4 * step) * sizeof *p->coarse);
  if (!p->fine || !p->coarse) return false;
  for (int64_t k = 0; k < p->rows; k++)
    for (int v = 0; v < FFT_MOST_LINES; v++) root_float(k * v, p->n, p->fine + 2 * (k * FFT_MOST_LINES + v));
  for (int64_t j = 0; j < step; j++) {
    fft_root(j, p->n, p->coarse + 2 * j);
    fft_root(j * step, p->n, p->coarse + 2 * (step + j));
  }
  return true;
}

/* ---- plans ---- */

static bool make_roots(fft_plan *p) {
  const int64_t count = p->n / 2 + 1 + FFT_MOST_LINES; /* loops read whole registers */
  p->table = take(p, (size_t)(2 * count) * sizeof *p->table);
  for (int64_t k = 0; p->table && k < count; k++) root_float(k, 2 * p->n, p->table + 2 * k);
  return p->table != NULL;
}

static bool make(fft_plan *p, error **why) {
  switch (p->kind) {
    case FFT_BLOCK: return fft_is_smooth(p->n) ? make_matrix(p) : make_chirp(p, FFT_BLOCK, why);
    case FFT_SPLIT: return make_split(p, why);
    case FFT_CHIRP: return make_chirp(p, FFT_SPLIT, why);
    case FFT_ROOTS: break;
  }
  return make_roots(p);
}

static fft_plan *plan_new(fft_kind kind, int64_t n, error **why) {
  fft_plan *p = mem_zalloc(sizeof *p);
  if (p) {
    p->kind = kind;
    p->n = n;
    p->bytes = sizeof *p;
    p->users = 1;
    if (make(p, why)) return p;
    plan_free(p);
  }
  if (!*why) *why = fail_no_memory("fft");
  return NULL;
}

static void plan_free(fft_plan *p) {
  fft_plan_release(p->inner);
  fft_plan_release(p->long_row);
  fft_plan_release(p->long_column);
  mem_free(p->chirp);
  mem_free(p->spectrum);
  mem_free(p->fine);
  mem_free(p->coarse);
  mem_free(p->table);
  mem_free(p);
}

/* ---- the cache: the plans used last, up to so many and so many bytes; it is a user of each ---- */

enum { MOST_PLANS = 64, MOST_BYTES = 32 << 20 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fft_plan *cache[MOST_PLANS];
static int cached;
static int64_t now;
static size_t cached_bytes;

static fft_plan *find(fft_kind kind, int64_t n) {
  for (int i = 0; i < cached; i++) {
    if (cache[i]->kind != kind || cache[i]->n != n) continue;
    cache[i]->last_use = ++now;
    cache[i]->users++;
    return cache[i];
  }
  return NULL;
}

/* Takes the plan out that was not used for longest; the caller releases it once the lock is open. */
static fft_plan *oldest(void) {
  int at = 0;
  for (int i = 1; i < cached; i++)
    if (cache[i]->last_use < cache[at]->last_use) at = i;
  fft_plan *p = cache[at];
  cache[at] = cache[--cached];
  cached_bytes -= p->bytes;
  return p;
}

static void remember(fft_plan *p) {
  fft_plan *out[MOST_PLANS];
  int n_out = 0;
  pthread_mutex_lock(&lock);
  while (cached && (cached == MOST_PLANS || cached_bytes + p->bytes > MOST_BYTES)) out[n_out++] = oldest();
  p->users++;
  p->last_use = ++now;
  cached_bytes += p->bytes;
  cache[cached++] = p;
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < n_out; i++) fft_plan_release(out[i]);
}

const fft_plan *fft_plan_get(fft_kind kind, int64_t n, error **why) {
  pthread_mutex_lock(&lock);
  fft_plan *p = find(kind, n);
  pthread_mutex_unlock(&lock);
  if (p) return p;
  p = plan_new(kind, n, why);
  if (p && p->bytes <= MOST_BYTES) remember(p); /* two threads may each remember their own: no harm */
  return p;
}

void fft_plan_release(const fft_plan *plan) {
  fft_plan *p = (fft_plan *)plan;
  if (!p) return;
  pthread_mutex_lock(&lock);
  const bool last = --p->users == 0;
  pthread_mutex_unlock(&lock);
  if (last) plan_free(p);
}
