/* fft.h: discrete Fourier transforms of any length along any axes, and what goes with them.

   A transform of n numbers is X[k] = sum_j x[j] exp(-2 pi i j k / n); the inverse has the other sign. Numbers are
   complex64, and float32 where they are real, complex128 and float64 where x is of those: other dtypes are converted. The names and
   results are MLX's, but that MLX narrows float64. */
#ifndef PONS_FFT_H
#define PONS_FFT_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Where the factor 1/n stands: with the inverse, its root with both, with the transform forward. */
typedef enum pons_fft_norm { PONS_FFT_BACKWARD, PONS_FFT_ORTHO, PONS_FFT_FORWARD } pons_fft_norm;

/* ---- along one axis ---- */

struct pons_fft_args {
  pons_array x;
  int64_t n;      /* length of the signal: x is cut or padded with zeros to it; 0: as long as the axis */
  pons_axes axis; /* one axis; left out: the last */
  pons_fft_norm norm;
};
#define pons_fft_fft(...) pons_fft_fft_with((struct pons_fft_args){.x = __VA_ARGS__})
#define pons_fft_ifft(...) pons_fft_ifft_with((struct pons_fft_args){.x = __VA_ARGS__})
#define pons_fft_rfft(...) pons_fft_rfft_with((struct pons_fft_args){.x = __VA_ARGS__})
#define pons_fft_irfft(...) pons_fft_irfft_with((struct pons_fft_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fft_fft_with(struct pons_fft_args args);
PONS_API pons_array pons_fft_ifft_with(struct pons_fft_args args);
/* Of a real signal: the n/2 + 1 frequencies that are not negative. */
PONS_API pons_array pons_fft_rfft_with(struct pons_fft_args args);
/* The real signal of length n (0: 2 (m - 1), for an axis of m) whose rfft is x. */
PONS_API pons_array pons_fft_irfft_with(struct pons_fft_args args);

/* ---- along several axes: fft2 and its kin take the last two when axes are left out, fftn and its all ---- */

struct pons_fftn_args {
  pons_array x;
  pons_shape s; /* lengths of the signal along `axes`, which must be given then; left out: as long as the axes */
  pons_axes axes;
  pons_fft_norm norm;
};
#define pons_fft_fft2(...) pons_fft_fft2_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_ifft2(...) pons_fft_ifft2_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_rfft2(...) pons_fft_rfft2_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_irfft2(...) pons_fft_irfft2_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_fftn(...) pons_fft_fftn_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_ifftn(...) pons_fft_ifftn_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_rfftn(...) pons_fft_rfftn_with((struct pons_fftn_args){.x = __VA_ARGS__})
#define pons_fft_irfftn(...) pons_fft_irfftn_with((struct pons_fftn_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fft_fft2_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_ifft2_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_rfft2_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_irfft2_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_fftn_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_ifftn_with(struct pons_fftn_args args);
/* The last of the axes is the one that is halved. */
PONS_API pons_array pons_fft_rfftn_with(struct pons_fftn_args args);
PONS_API pons_array pons_fft_irfftn_with(struct pons_fftn_args args);

/* ---- frequencies ---- */

/* The frequencies of fft for n samples `d` apart, in its order: 0, 1, .., -2, -1 over n d; float32. */
PONS_API pons_array pons_fft_fftfreq(int64_t n, double d);
/* Those of rfft: 0, 1, .., n/2 over n d. */
PONS_API pons_array pons_fft_rfftfreq(int64_t n, double d);
/* Frequency 0 moved to the middle of each of `axes` (all when left out), and back. */
PONS_API pons_array pons_fft_fftshift(pons_array x, pons_axes axes);
PONS_API pons_array pons_fft_ifftshift(pons_array x, pons_axes axes);

/* ---- frames of a longer signal ---- */

/* How stft lengthens the signal at both ends: mirrored without its edge, with zeros, with its edge repeated. */
typedef enum pons_stft_pad { PONS_STFT_MIRRORED, PONS_STFT_ZEROS, PONS_STFT_EDGES } pons_stft_pad;
/* Which frequencies: those of rfft for a real signal, all for a complex one; always those of rfft; all. */
typedef enum pons_stft_sides { PONS_STFT_BY_DTYPE, PONS_STFT_ONESIDED, PONS_STFT_TWOSIDED } pons_stft_sides;
struct pons_stft_args {
  pons_array x;
  int64_t n_fft;      /* 0: 2048 */
  int64_t hop_length; /* 0: n_fft / 4 */
  int64_t win_length; /* of the window of ones; 0: n_fft */
  pons_array window;  /* (at most n_fft), put in the middle of zeros; NULL: ones */
  bool uncentered;    /* the first frame begins with the signal; otherwise its middle is there */
  pons_stft_pad pad_mode;
  pons_fft_norm norm;
  pons_stft_sides sides;
};
/* Short-time Fourier transform: (..., length) gives (..., frequencies, frames). */
#define pons_fft_stft(...) pons_fft_stft_with((struct pons_stft_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fft_stft_with(struct pons_stft_args args);
struct pons_istft_args {
  pons_array x;
  int64_t n_fft;      /* 0: as many as x's frequencies come from; of one-sided ones the even number */
  int64_t hop_length; /* 0: n_fft / 4 */
  int64_t win_length; /* 0: n_fft */
  pons_array window;
  bool uncentered;
  pons_fft_norm norm;
  bool twosided;
  int64_t length; /* the result is cut or padded with zeros to it; 0: what the frames cover */
};
/* The signal whose frames these are: they are added where they overlap, and divided by the squared windows. */
#define pons_fft_istft(...) pons_fft_istft_with((struct pons_istft_args){.x = __VA_ARGS__})
PONS_API pons_array pons_fft_istft_with(struct pons_istft_args args);

#ifdef __cplusplus
}
#endif
#endif
