/* fft.c: the submodule fft. */
#include "binding.h"
#include <string.h>

static bool norm_from(slot s, pons_fft_norm *norm) {
  static const char *const norms[] = {"backward", "ortho", "forward"}; /* as in pons_fft_norm */
  for (int i = 0; i < 3; i++) {
    *norm = (pons_fft_norm)i;
    if (strcmp(norms[i], s.text) == 0) return true;
  }
  PyErr_Format(PyExc_ValueError, "fft: norm is '%s', it must be 'backward', 'ortho' or 'forward'", s.text);
  return false;
}

/* A length of 0 would be the default in C. */
static bool length_is_fine(slot s) {
  if (s.kind != SLOT_INT || s.i > 0) return true;
  PyErr_Format(PyExc_ValueError, "fft: n is %lld, it must be positive", (long long)s.i);
  return false;
}

#define ONE_AXIS(id, what)                                                                               \
  NAMED_FUNCTION(                                                                                        \
      fft_##id, #id,                                                                                     \
      "(a: array, n: int | None = None, axis: int = -1, norm: str = 'backward', stream: StreamOrDevice " \
      "= None) -> array",                                                                                \
      what) {                                                                                            \
    pons_fft_norm norm;                                                                                  \
    if (!norm_from(s[3], &norm) || !length_is_fine(s[1])) return NULL;                                   \
    const int axis = (int)s[2].i;                                                                        \
    return wrap(                                                                                         \
        pons_fft_##id(s[0].array, .n = int_or(s[1], 0), .axis = (pons_axes){1, &axis}, .norm = norm));   \
  }
/* None stands for all axes, in fft2 and its kin too. */
#define AXES(id, several, axes_text, what)                                                            \
  NAMED_FUNCTION(fft_##id, #id,                                                                       \
                 "(a: array, s: Sequence[int] | None = None, axes: Sequence[int] | None = " axes_text \
                 ", norm: str = 'backward', stream: StreamOrDevice = None) -> array",                 \
                 what) {                                                                              \
    pons_fft_norm norm;                                                                               \
    if (!norm_from(s[3], &norm)) return NULL;                                                         \
    return wrap(several(s[0].array, .s = shape_of(s[1]), .axes = transformed(s), .norm = norm));      \
  }

/* The axes given; with lengths alone the last ones, as many. */
static pons_axes transformed(const slot *s) {
  static const int last[] = {-8, -7, -6, -5, -4, -3, -2, -1};
  if (s[2].kind == SLOT_INTS) return s[2].ints.axes;
  if (s[1].kind != SLOT_INTS || s[1].ints.axes.count > 8) return (pons_axes){0, NULL};
  return (pons_axes){s[1].ints.axes.count, last + 8 - s[1].ints.axes.count};
}

ONE_AXIS(fft, "The Fourier transform along an axis.")
ONE_AXIS(ifft, "The inverse transform along an axis.")
ONE_AXIS(rfft, "Of a real signal: the frequencies that are not negative.")
ONE_AXIS(irfft, "The real signal whose rfft this is.")
AXES(fft2, pons_fft_fftn, "[-2, -1]", "The Fourier transform along two axes.")
AXES(ifft2, pons_fft_ifftn, "[-2, -1]", "The inverse transform along two axes.")
AXES(rfft2, pons_fft_rfftn, "[-2, -1]", "rfft along two axes, the last of them halved.")
AXES(irfft2, pons_fft_irfftn, "[-2, -1]", "The real signal whose rfft2 this is.")
AXES(fftn, pons_fft_fftn, "None", "The Fourier transform along axes, all if None.")
AXES(ifftn, pons_fft_ifftn, "None", "The inverse transform along axes, all if None.")
AXES(rfftn, pons_fft_rfftn, "None", "rfft along axes, all if None, the last of them halved.")
AXES(irfftn, pons_fft_irfftn, "None", "The real signal whose rfftn this is.")

NAMED_FUNCTION(fft_fftfreq, "fftfreq", "(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array",
               "The frequencies of fft for n samples d apart.") {
  return wrap(pons_fft_fftfreq(s[0].i, s[1].number));
}

NAMED_FUNCTION(fft_rfftfreq, "rfftfreq", "(n: int, d: float = 1.0, stream: StreamOrDevice = None) -> array",
               "The frequencies of rfft for n samples d apart.") {
  return wrap(pons_fft_rfftfreq(s[0].i, s[1].number));
}

NAMED_FUNCTION(fft_fftshift, "fftshift",
               "(a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None) -> array",
               "Frequency 0 moved to the middle of the axes, all if None.") {
  return wrap(pons_fft_fftshift(s[0].array, axes_of(s[1])));
}

NAMED_FUNCTION(fft_ifftshift, "ifftshift",
               "(a: array, axes: int | Sequence[int] | None = None, stream: StreamOrDevice = None) -> array",
               "fftshift undone.") {
  return wrap(pons_fft_ifftshift(s[0].array, axes_of(s[1])));
}

/* ---- frames of a longer signal ---- */

static bool pad_from(slot s, pons_stft_pad *pad) {
  static const char *const modes[] = {"reflect", "constant", "edge"}; /* as in pons_stft_pad */
  for (int i = 0; i < 3; i++) {
    *pad = (pons_stft_pad)i;
    if (strcmp(modes[i], s.text) == 0) return true;
  }
  PyErr_Format(PyExc_ValueError, "stft: pad_mode is '%s', it must be 'reflect', 'constant' or 'edge'",
               s.text);
  return false;
}

NAMED_FUNCTION(fft_stft, "stft",
               "(x: array, n_fft: int = 2048, hop_length: int | None = None, win_length: int | None = None, "
               "window: array | "
               "None = None, center: bool = True, pad_mode: str = 'reflect', norm: str = 'backward', "
               "onesided: bool | None "
               "= None, stream: StreamOrDevice = None) -> array",
               "The short-time Fourier transform: (..., length) gives (..., frequencies, frames).") {
  pons_fft_norm norm;
  pons_stft_pad pad;
  if (!norm_from(s[7], &norm) || !pad_from(s[6], &pad) || !length_is_fine(s[1]) || !length_is_fine(s[2]) ||
      !length_is_fine(s[3]))
    return NULL;
  const pons_stft_sides sides = s[8].kind == SLOT_NONE ? PONS_STFT_BY_DTYPE
                                : s[8].flag            ? PONS_STFT_ONESIDED
                                                       : PONS_STFT_TWOSIDED;
  return wrap(pons_fft_stft(s[0].array, .n_fft = s[1].i, .hop_length = int_or(s[2], 0),
                            .win_length = int_or(s[3], 0), .window = array_or_null(s[4]),
                            .uncentered = !s[5].flag, .pad_mode = pad, .norm = norm, .sides = sides));
}

NAMED_FUNCTION(
    fft_istft, "istft",
    "(stft_matrix: array, n_fft: int | None = None, hop_length: int | None = None, win_length: int | None = "
    "None, "
    "window: array | None = None, center: bool = True, norm: str = 'backward', onesided: bool | None = None, "
    "length: int | None = None, stream: StreamOrDevice = None) -> array",
    "The signal whose frames these are.") {
  pons_fft_norm norm;
  if (!norm_from(s[6], &norm) || !length_is_fine(s[1]) || !length_is_fine(s[2]) || !length_is_fine(s[3]))
    return NULL;
  return wrap(pons_fft_istft(s[0].array, .n_fft = int_or(s[1], 0), .hop_length = int_or(s[2], 0),
                             .win_length = int_or(s[3], 0), .window = array_or_null(s[4]),
                             .uncentered = !s[5].flag, .norm = norm,
                             .twosided = s[7].kind == SLOT_BOOL && !s[7].flag, .length = int_or(s[8], 0)));
}

#define FFT_ROW(id) ALIAS(#id, fft_##id)
static PyMethodDef rows[] = {FFT_ROW(fft),     FFT_ROW(ifft),     FFT_ROW(rfft),     FFT_ROW(irfft),
                             FFT_ROW(fft2),    FFT_ROW(ifft2),    FFT_ROW(rfft2),    FFT_ROW(irfft2),
                             FFT_ROW(fftn),    FFT_ROW(ifftn),    FFT_ROW(rfftn),    FFT_ROW(irfftn),
                             FFT_ROW(fftfreq), FFT_ROW(rfftfreq), FFT_ROW(fftshift), FFT_ROW(ifftshift),
                             FFT_ROW(stft),    FFT_ROW(istft),    END_OF_ROWS};

int add_fft(PyObject *submodule) { return PyModule_AddFunctions(submodule, rows); }
