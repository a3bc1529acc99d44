/* fft_wide.c: Fourier transforms in double. Passes as in fft_plan.h over one line, which threads share where there are
   several. Uses cpu/fft_wide.h, cpu/cursor.h. */
#include "backends/cpu/fft_wide.h"
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include <math.h>

/* ---- roots ---- */

void fft_root(int64_t k, int64_t n, double pair[2]) {
  const double angle = -2 * 3.14159265358979323846 * (double)(k % n) / (double)n;
  pair[0] = cos(angle);
  pair[1] = sin(angle);
}

/* ---- factors ---- */

int fft_factors(int64_t n, int64_t out[FFT_MAX_PASSES]) {
  int count = 0;
  while (n % 4 == 0) out[count++] = 4, n /= 4;
  if (n % 2 == 0) out[count++] = 2, n /= 2;
  for (int64_t f = 3; f <= FFT_MAX_RADIX; f += 2)
    while (n % f == 0) out[count++] = f, n /= f;
  if (n > 1) out[count++] = n;
  return count;
}

bool fft_is_smooth(int64_t n) {
  int64_t factors[FFT_MAX_PASSES];
  const int count = fft_factors(n, factors);
  return count == 0 || factors[count - 1] <= FFT_MAX_RADIX;
}

/* ---- passes ---- */

static void multiply(const double *a, const double *w, double *y) {
  const double re = a[0] * w[0] - a[1] * w[1], im = a[0] * w[1] + a[1] * w[0];
  y[0] = re;
  y[1] = im;
}

/* One element k of each result, q < s, of butterfly i: see fft_pass. */
static void four(const double *x, int64_t far, int64_t s, const double *const w[4], double *y) {
  for (int64_t q = 0; q < s; q++, x += 2, y += 2) {
    const double *a = x, *b = a + far, *c = b + far, *d = c + far;
    const double even[2] = {a[0] + c[0], a[1] + c[1]}, apart[2] = {a[0] - c[0], a[1] - c[1]};
    const double odd[2] = {b[0] + d[0], b[1] + d[1]}, turned[2] = {b[1] - d[1], d[0] - b[0]}; /* -i (b - d) */
    y[0] = even[0] + odd[0];
    y[1] = even[1] + odd[1];
    multiply((double[]){apart[0] + turned[0], apart[1] + turned[1]}, w[1], y + 2 * s);
    multiply((double[]){even[0] - odd[0], even[1] - odd[1]}, w[2], y + 4 * s);
    multiply((double[]){apart[0] - turned[0], apart[1] - turned[1]}, w[3], y + 6 * s);
  }
}

static void any(int radix, const double *x, int64_t far, int64_t s, const double *roots, int64_t apart,
                const double *const *w, double *y) {
  for (int64_t q = 0; q < s; q++, x += 2, y += 2)
    for (int k = 0; k < radix; k++) {
      double sum[2] = {x[0], x[1]}, term[2];
      for (int j = 1, at = k; j < radix; j++, at = at + k < radix ? at + k : at + k - radix) {
        multiply(x + j * far, roots + 2 * at * apart, term);
        sum[0] += term[0];
        sum[1] += term[1];
      }
      multiply(sum, w[k], y + 2 * k * s);
    }
}

/* The transform of n pairs at x, with y for room: where it is in the end. */
static double *passes(const fft_wide *p, double *x, double *y) {
  int64_t factors[FFT_MAX_PASSES], s = 1;
  const int count = fft_factors(p->n, factors);
  for (int f = 0; f < count; f++) {
    const int radix = (int)factors[f];
    const int64_t m = p->n / s / radix;
    for (int64_t i = 0; i < m; i++) {
      const double *w[FFT_MAX_RADIX];
      for (int k = 0; k < radix; k++) w[k] = p->roots + 2 * i * k * s;
      if (radix == 4) four(x + 2 * i * s, 2 * m * s, s, w, y + 8 * i * s);
      else any(radix, x + 2 * i * s, 2 * m * s, s, p->roots, p->n / radix, w, y + 2 * radix * i * s);
    }
    double *next = y;
    y = x, x = next;
    s *= radix;
  }
  return x;
}

/* ---- plans ---- */

/* The least length from `least` on with no prime factor but 2, 3 and 5. */
static int64_t quick_length(int64_t least) {
  for (int64_t n = least;; n++) {
    int64_t rest = n;
    while (rest % 2 == 0) rest /= 2;
    while (rest % 3 == 0) rest /= 3;
    while (rest % 5 == 0) rest /= 5;
    if (rest == 1) return n;
  }
}

static double *pairs_new(int64_t n) { return mem_zalloc((size_t)(2 * n) * sizeof(double)); }

/* b[j] = e^(-pi i j^2 / n); j^2 counts modulo 2 n, and grows by 2 j + 1. The spectrum is that of their conjugates. */
static bool make_chirp(fft_wide *p) {
  p->inner = fft_wide_new(quick_length(2 * p->n - 1));
  if (!p->inner) return false;
  const int64_t whole = p->inner->n;
  double *room = pairs_new(2 * whole);
  p->chirp = pairs_new(p->n);
  p->spectrum = pairs_new(whole);
  const bool fine = room && p->chirp && p->spectrum;
  int64_t square = 0;
  for (int64_t j = 0; fine && j < p->n; j++) {
    double *b = p->chirp + 2 * j, *ends[2] = {room + 2 * j, room + 2 * (j ? whole - j : 0)};
    fft_root(square, 2 * p->n, b);
    for (int k = 0; k < 2; k++) ends[k][0] = b[0], ends[k][1] = -b[1];
    square = (square + 2 * j + 1) % (2 * p->n);
  }
  const double *y = fine ? passes(p->inner, room, room + 2 * whole) : NULL;
  for (int64_t k = 0; fine && k < 2 * whole; k++) p->spectrum[k] = y[k] / (double)whole;
  mem_free(room);
  return fine;
}

static bool make_roots(fft_wide *p) {
  p->roots = pairs_new(p->n);
  for (int64_t k = 0; p->roots && k < p->n; k++) fft_root(k, p->n, p->roots + 2 * k);
  return p->roots != NULL;
}

fft_wide *fft_wide_new(int64_t n) {
  fft_wide *p = mem_zalloc(sizeof *p);
  if (!p) return NULL;
  p->n = n;
  if (fft_is_smooth(n) ? make_roots(p) : make_chirp(p)) return p;
  fft_wide_free(p);
  return NULL;
}

void fft_wide_free(fft_wide *p) {
  if (!p) return;
  fft_wide_free(p->inner);
  mem_free(p->roots);
  mem_free(p->chirp);
  mem_free(p->spectrum);
  mem_free(p);
}

static int64_t room_of(const fft_wide *p) { return p->inner ? p->inner->n : p->n; }

/* The same for any length; x and y have room for room_of pairs. */
static double *transform(const fft_wide *p, double *x, double *y) {
  if (!p->inner) return passes(p, x, y);
  const int64_t n = p->n, whole = p->inner->n;
  for (int64_t j = 0; j < n; j++) multiply(x + 2 * j, p->chirp + 2 * j, x + 2 * j);
  memset(x + 2 * n, 0, (size_t)(2 * (whole - n)) * sizeof *x);
  double *z = passes(p->inner, x, y), *spare = z == x ? y : x;
  for (int64_t k = 0; k < whole; k++) multiply(z + 2 * k, p->spectrum + 2 * k, z + 2 * k);
  /* back: the inverse is the transform forward with the elements in reverse order but the first */
  double *back = passes(p->inner, z, spare), *result = back == x ? y : x;
  for (int64_t k = 0; k < n; k++) multiply(back + 2 * (k ? whole - k : 0), p->chirp + 2 * k, result + 2 * k);
  return result;
}

/* ---- an axis ---- */

typedef struct axis_job {
  const fft_wide *plan;
  bool inverse, from_real, to_real;
  double scale;
  const double *in;
  double *out;
  int64_t in_step, out_step; /* of elements along the axis, in doubles */
  cursor lines;              /* offsets of in and out, in doubles */
  int64_t count, per_piece;
  error *_Atomic why;
} axis_job;

/* The inverse is the transform forward with real and imaginary parts exchanged on the way in and out. Above n / 2 the
   spectrum of a real signal is the conjugate of what is below; 0 and n / 2 have no imaginary part. */
static void load(const axis_job *j, const double *from, double *x) {
  const int64_t n = j->plan->n;
  for (int64_t k = 0; k < n; k++) {
    const bool above = j->to_real && 2 * k > n, alone = j->from_real || (j->to_real && (k == 0 || 2 * k == n));
    const double *z = from + (above ? n - k : k) * j->in_step;
    const double re = z[0], im = alone ? 0 : above ? -z[1] : z[1];
    x[2 * k] = j->inverse ? im : re;
    x[2 * k + 1] = j->inverse ? re : im;
  }
}

static void store(const axis_job *j, const double *x, double *to) {
  const int64_t n = j->from_real ? j->plan->n / 2 + 1 : j->plan->n;
  for (int64_t k = 0; k < n; k++, to += j->out_step) {
    to[0] = x[2 * k + j->inverse] * j->scale;
    if (!j->to_real) to[1] = x[2 * k + !j->inverse] * j->scale;
  }
}

static void lines_piece(void *context, int64_t piece) {
  axis_job *j = context;
  error *no = NULL, *none = NULL;
  const int64_t room = 2 * room_of(j->plan);
  buffer *memory = buffer_new((size_t)(2 * room) * sizeof(double), "fft", &no);
  if (!memory) {
    if (!atomic_compare_exchange_strong(&j->why, &none, no)) error_release(no);
    return;
  }
  double *x = buffer_data(memory);
  int64_t at = piece * j->per_piece;
  const int64_t end = smaller(at + j->per_piece, j->count);
  cursor lines;
  cursor_copy(&lines, &j->lines);
  for (cursor_to(&lines, at); at < end; at++, cursor_next(&lines)) {
    load(j, j->in + lines.offset[0], x);
    store(j, transform(j->plan, x, x + room), j->out + lines.offset[1]);
  }
  buffer_release(memory);
}

error *fft_wide_along(bool inverse, int axis, bool halved, const operand *in, const operand *out) {
  int64_t dims[PONS_MAX_NDIM], strides[2][PONS_MAX_NDIM];
  axis_job j = {.inverse = inverse, .from_real = halved && !inverse, .to_real = halved && inverse};
  const int64_t n = (inverse ? out : in)->shape[axis];
  j.scale = inverse ? 1 / (double)n : 1;
  shape_row_major(out->ndim, out->shape, strides[1]);
  for (int d = 0; d < in->ndim; d++) {
    dims[d] = d == axis ? 1 : in->shape[d];
    strides[0][d] = in->strides[d] * (j.from_real ? 1 : 2);
    strides[1][d] *= j.to_real ? 1 : 2;
  }
  j.in = in->data;
  j.out = out->data;
  j.in_step = strides[0][axis];
  j.out_step = strides[1][axis];
  j.lines = cursor_new(in->ndim, dims, 2, strides[0], strides[1]);
  j.count = cursor_size(&j.lines);
  if (!j.count) return NULL;
  fft_wide *plan = fft_wide_new(n);
  if (!plan) return fail_no_memory("fft");
  j.plan = plan;
  j.per_piece = turns_per_piece(j.count, 16 * n);
  parallel_for(pieces_of(j.count, j.per_piece), lines_piece, &j);
  fft_wide_free(plan);
  return atomic_load(&j.why);
}
