/* spectrum.c: what surrounds the transforms of fft.h: frequencies, shifts, and the short-time transform with its
   inverse. */
#include "dtypes.h"
#include <pons/fft.h>

/* ---- frequencies ---- */

static pons_array frequencies(const char *op, int64_t n, double d, pons_array counts) {
  if (n < 1) return pons_fail(op, "%lld samples", (long long)n);
  if (d == 0) return pons_fail(op, "the distance of samples is 0");
  return pons_multiply(counts, pons_scalar(1 / ((double)n * d), PONS_FLOAT32));
}

pons_array pons_fft_fftfreq(int64_t n, double d) {
  const int64_t count = n > 0 ? n : 0;
  const pons_array halves[2] = {pons_arange(0, (double)(count - count / 2), 1, PONS_FLOAT32),
                                pons_arange((double)-(count / 2), 0, 1, PONS_FLOAT32)};
  return frequencies("fftfreq", n, d, pons_concatenate(halves, 2, 0));
}

pons_array pons_fft_rfftfreq(int64_t n, double d) {
  return frequencies("rfftfreq", n, d, pons_arange(0, (double)(n > 0 ? n / 2 + 1 : 0), 1, PONS_FLOAT32));
}

/* ---- shifts ---- */

/* x[first .. end) along `axis` */
static pons_array part(pons_array x, int axis, int64_t first, int64_t end) {
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM];
  const int n = pons_ndim(x);
  for (int i = 0; i < n; i++) stop[i] = pons_dim(x, i);
  start[axis] = first;
  stop[axis] = end;
  return pons_slice(x, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
}

/* Along each axis the element at n / 2, rounded up or down, becomes the first. */
static pons_array shifted(const char *op, pons_array x, pons_axes axes, bool up) {
  const int ndim = pons_ndim(x), count = axes.at ? axes.count : ndim;
  for (int i = 0; i < count; i++) {
    const int given = axes.at ? axes.at[i] : i, axis = given < 0 ? given + ndim : given;
    const int64_t n = pons_dim(x, axis);
    if (axis < 0 || n < 0) return pons_fail_as(PONS_ERROR_INDEX, op, "axis %d of %d", given, ndim);
    const int64_t first = (n + up) / 2;
    if (n < 2) continue;
    const pons_array halves[2] = {part(x, axis, first, n), part(x, axis, 0, first)};
    x = pons_concatenate(halves, 2, axis);
  }
  return pons_reshape(x, pons_shape_of(x));
}

pons_array pons_fft_fftshift(pons_array x, pons_axes axes) { return shifted("fftshift", x, axes, true); }
pons_array pons_fft_ifftshift(pons_array x, pons_axes axes) { return shifted("ifftshift", x, axes, false); }

/* ---- short-time transforms ---- */

typedef struct frames {
  const char *op;
  int64_t size, hop; /* n_fft, hop_length */
  pons_array window; /* (size), or an error */
} frames;

static frames frames_of(const char *op, int64_t n_fft, int64_t hop, int64_t win_length, pons_array window) {
  frames f = {op, n_fft, hop ? hop : n_fft / 4, NULL};
  if (n_fft < 1) {
    f.window = pons_fail(op, "n_fft %lld is not positive", (long long)n_fft);
  } else if (f.hop < 1) {
    f.window = pons_fail(op, "hop_length %lld is not positive", (long long)f.hop);
  } else if (window && pons_ndim(window) != 1) {
    f.window = pons_fail(op, "the window has %d axes, not one", pons_ndim(window));
  } else {
    const int64_t length = window ? pons_dim(window, 0) : win_length ? win_length : n_fft;
    const int64_t before = (n_fft - length) / 2;
    if (length < 0 || length > n_fft)
      f.window = pons_fail(op, "a window of %lld for frames of %lld", (long long)length, (long long)n_fft);
    else
      f.window = pons_pad(window ? window : pons_ones(PONS_SHAPE(length), PONS_FLOAT32), PONS_SHAPE(before),
                          PONS_SHAPE(n_fft - length - before), NULL);
  }
  return f;
}

/* x (batch, length) with `more` elements at both ends */
static pons_array lengthened(pons_array x, int64_t more, pons_stft_pad mode) {
  const int64_t batch = pons_dim(x, 0), n = pons_dim(x, 1);
  if (more == 0) return x;
  if (mode == PONS_STFT_ZEROS) return pons_pad(x, PONS_SHAPE(0, more), PONS_SHAPE(0, more), NULL);
  pons_array ends[2];
  if (mode == PONS_STFT_EDGES) {
    if (n < 1) return pons_fail("stft", "the signal is empty");
    ends[0] = pons_broadcast_to(part(x, 1, 0, 1), PONS_SHAPE(batch, more));
    ends[1] = pons_broadcast_to(part(x, 1, n - 1, n), PONS_SHAPE(batch, more));
  } else if (mode == PONS_STFT_MIRRORED) {
    if (n <= more)
      return pons_fail("stft", "%lld elements can't be mirrored at the ends of %lld", (long long)more, (long long)n);
    const pons_shape back = PONS_SHAPE(1, -1);
    ends[0] = pons_slice(x, PONS_SHAPE(0, more), PONS_SHAPE(batch, 0), back);
    ends[1] = pons_slice(x, PONS_SHAPE(0, n - 2), PONS_SHAPE(batch, n - 2 - more < 0 ? -n - 1 : n - 2 - more), back);
  } else {
    return pons_fail("stft", "pad mode %d is none", (int)mode);
  }
  return pons_concatenate((const pons_array[]){ends[0], x, ends[1]}, 3, 1);
}

/* y (batch, ...) with the first axis as in `like`, whose last `last` axes are gone. */
static pons_array with_batch(pons_array y, pons_array like, int last) {
  int64_t dims[PONS_MAX_NDIM + 1];
  const int n = pons_ndim(like) - last, m = pons_ndim(y) - 1;
  if (m < 0 || n + m > PONS_MAX_NDIM) return y; /* an error; or one axis too many, which reshape would refuse */
  for (int i = 0; i < n; i++) dims[i] = pons_dim(like, i);
  for (int i = 0; i < m; i++) dims[n + i] = pons_dim(y, 1 + i);
  return pons_reshape(y, (pons_shape){n + m, dims});
}

static int64_t batch_of(pons_array x, int last) {
  int64_t batch = 1;
  for (int i = 0; i + last < pons_ndim(x); i++) batch *= pons_dim(x, i);
  return batch;
}

pons_array pons_fft_stft_with(struct pons_stft_args a) {
  const frames f = frames_of("stft", a.n_fft ? a.n_fft : 2048, a.hop_length, a.win_length, a.window);
  if (pons_error_of(f.window)) return f.window;
  if (pons_error_of(a.x)) return a.x;
  if (pons_ndim(a.x) < 1) return pons_fail("stft", "a scalar is no signal");
  if (pons_ndim(a.x) >= PONS_MAX_NDIM) return pons_fail("stft", "the result would have %d axes", pons_ndim(a.x) + 1);
  const int64_t batch = batch_of(a.x, 1);
  pons_array x = pons_reshape(a.x, PONS_SHAPE(batch, pons_dim(a.x, -1)));
  if (!a.uncentered) x = lengthened(x, f.size / 2, a.pad_mode);
  if (pons_error_of(x)) return x;
  const int64_t n = pons_dim(x, 1), count = n < f.size ? 0 : (n - f.size) / f.hop + 1;
  if (count == 0)
    return pons_fail("stft", "a signal of %lld is too short for frames of %lld", (long long)n, (long long)f.size);
  pons_array framed = pons_as_strided(pons_flatten(x, 0, 1), PONS_SHAPE(batch, count, f.size),
                                      PONS_SHAPE(n, f.hop, 1), 0);
  framed = pons_multiply(framed, f.window);
  const bool onesided =
      a.sides == PONS_STFT_BY_DTYPE ? !is_complex_dtype(pons_dtype_of(a.x)) : a.sides == PONS_STFT_ONESIDED;
  pons_array y = onesided ? pons_fft_rfft(framed, .norm = a.norm) : pons_fft_fft(framed, .norm = a.norm);
  return with_batch(pons_swapaxes(y, 1, 2), a.x, 1);
}

/* Frames (batch, count, size) added where they overlap: (batch, (count - 1) hop + size). */
static pons_array overlapped(const frames *f, pons_array y) {
  const int64_t batch = pons_dim(y, 0), count = pons_dim(y, 1);
  pons_array starts = pons_multiply(pons_arange(0, (double)count, 1, PONS_INT64), pons_int(f->hop));
  pons_array places = pons_add(pons_reshape(starts, PONS_SHAPE(count, 1)), pons_arange(0, (double)f->size, 1, PONS_INT64));
  const pons_shape flat = PONS_SHAPE(batch, count * f->size);
  places = pons_broadcast_to(pons_reshape(places, PONS_SHAPE(1, count * f->size)), flat);
  pons_array sum = pons_zeros(PONS_SHAPE(batch, (count - 1) * f->hop + f->size), pons_dtype_of(y));
  return pons_scatter_add_axis(sum, places, pons_reshape(y, flat), 1);
}

/* Elements first .. end of (batch, length), with zeros behind them up to `length` elements. */
static pons_array trimmed(pons_array y, int64_t first, int64_t end, int64_t length) {
  if (end < first) end = first;
  y = part(y, 1, first, end);
  const int64_t more = length - (end - first);
  return more > 0 ? pons_pad(y, PONS_SHAPE(0, 0), PONS_SHAPE(0, more), NULL) : y;
}

static pons_array signals(const struct pons_istft_args *a, int64_t n_fft) {
  const int64_t batch = batch_of(a->x, 2);
  pons_array x = pons_reshape(a->x, PONS_SHAPE(batch, pons_dim(a->x, -2), pons_dim(a->x, -1)));
  x = pons_swapaxes(x, 1, 2);
  return a->twosided ? pons_real(pons_fft_ifft(x, .n = n_fft, .norm = a->norm))
                     : pons_fft_irfft(x, .n = n_fft, .norm = a->norm);
}

pons_array pons_fft_istft_with(struct pons_istft_args a) {
  if (pons_error_of(a.x)) return a.x;
  if (pons_ndim(a.x) < 2) return pons_fail("istft", "needs axes of frequencies and frames, not %d", pons_ndim(a.x));
  const int64_t count = pons_dim(a.x, -1), bins = pons_dim(a.x, -2);
  const int64_t n_fft = a.n_fft ? a.n_fft : a.twosided ? bins : 2 * (bins - 1);
  const frames f = frames_of("istft", n_fft, a.hop_length, a.win_length, a.window);
  if (pons_error_of(f.window)) return f.window;
  if (count < 1) return pons_fail("istft", "there are no frames");
  pons_array y = overlapped(&f, pons_multiply(signals(&a, n_fft), f.window));
  pons_array windows = pons_broadcast_to(pons_square(f.window), PONS_SHAPE(1, count, n_fft));
  pons_array weight = pons_maximum(overlapped(&f, windows), pons_scalar(1e-8, PONS_FLOAT32));
  y = pons_divide(y, weight);
  if (pons_error_of(y)) return y;
  const int64_t margin = a.uncentered ? 0 : n_fft / 2, whole = pons_dim(y, 1);
  const int64_t wanted = margin + a.length, end = !a.length ? whole - margin : wanted < whole ? wanted : whole;
  return with_batch(trimmed(y, margin, end, a.length), a.x, 2);
}
