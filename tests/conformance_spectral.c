/* conformance_spectral.c: cases of Fourier and Hadamard transforms and of windows. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(fft) { out[0] = pons_fft_fft(in[0]); }
CASE(fft_of_five) { out[0] = pons_fft_fft(in[0], .n = 5, .axis = PONS_AXES(0), .norm = PONS_FFT_ORTHO); }
CASE(ifft) { out[0] = pons_fft_ifft(in[0], .axis = PONS_AXES(1)); }
CASE(ifft_of_three) { out[0] = pons_fft_ifft(in[0], .n = 3, .norm = PONS_FFT_FORWARD); }
CASE(rfft) { out[0] = pons_fft_rfft(in[0]); }
CASE(rfft_of_nine) { out[0] = pons_fft_rfft(in[0], .n = 9, .axis = PONS_AXES(-2), .norm = PONS_FFT_FORWARD); }
CASE(irfft) { out[0] = pons_fft_irfft(in[0]); }
CASE(irfft_of_seven) { out[0] = pons_fft_irfft(in[0], .n = 7, .axis = PONS_AXES(0), .norm = PONS_FFT_ORTHO); }
CASE(fft2) { out[0] = pons_fft_fft2(in[0]); }
CASE(ifft2) { out[0] = pons_fft_ifft2(in[0], .s = PONS_SHAPE(4, 5), .axes = PONS_AXES(2, 0)); }
CASE(rfft2) { out[0] = pons_fft_rfft2(in[0], .norm = PONS_FFT_ORTHO); }
CASE(irfft2) { out[0] = pons_fft_irfft2(in[0]); }
CASE(fftn) { out[0] = pons_fft_fftn(in[0]); }
CASE(fftn_of_none) { out[0] = pons_fft_fftn(in[0], .axes = PONS_NO_AXES); }
CASE(ifftn) { out[0] = pons_fft_ifftn(in[0], .norm = PONS_FFT_ORTHO); }
CASE(rfftn) { out[0] = pons_fft_rfftn(in[0], .axes = PONS_AXES(2, 0)); }
CASE(irfftn) { out[0] = pons_fft_irfftn(in[0], .s = PONS_SHAPE(3, 5), .axes = PONS_AXES(1, 2)); }
CASE(frequencies) {
  (void)in;
  out[0] = pons_fft_fftfreq(7, 0.5);
  out[1] = pons_fft_fftfreq(6, 2);
}
CASE(real_frequencies) {
  (void)in;
  out[0] = pons_fft_rfftfreq(7, 0.5);
  out[1] = pons_fft_rfftfreq(6, -2);
}
CASE(shift) {
  out[0] = pons_fft_fftshift(in[0], (pons_axes){0, NULL});
  out[1] = pons_fft_fftshift(in[0], PONS_AXES(1));
}
CASE(shift_back) {
  out[0] = pons_fft_ifftshift(in[0], (pons_axes){0, NULL});
  out[1] = pons_fft_ifftshift(in[0], PONS_AXES(-1, 0));
}
CASE(stft) { out[0] = pons_fft_stft(in[0], .n_fft = 8, .window = pons_hanning(8)); }
CASE(stft_edge) {
  out[0] = pons_fft_stft(in[0], .n_fft = 6, .hop_length = 4, .win_length = 3, .pad_mode = PONS_STFT_EDGES,
                         .norm = PONS_FFT_ORTHO);
}
CASE(stft_twosided) {
  out[0] = pons_fft_stft(in[0], .n_fft = 5, .hop_length = 2, .pad_mode = PONS_STFT_ZEROS,
                         .sides = PONS_STFT_TWOSIDED);
}
CASE(stft_uncentered) { out[0] = pons_fft_stft(in[0], .n_fft = 4, .uncentered = true, .window = in[1]); }
CASE(istft) { out[0] = pons_fft_istft(in[0], .window = pons_hamming(8)); }
CASE(istft_longer) {
  out[0] = pons_fft_istft(in[0], .n_fft = 7, .hop_length = 3, .win_length = 5, .length = 30, .norm = PONS_FFT_FORWARD);
}
CASE(istft_twosided) {
  out[0] = pons_fft_istft(in[0], .hop_length = 2, .twosided = true, .uncentered = true, .window = in[1]);
}
CASE(hadamard) { out[0] = pons_hadamard_transform(in[0]); }
CASE(hadamard_scaled) { out[0] = pons_hadamard_transform(in[0], .scale = 0.5f); }
CASE(bartlett) { (void)in, out[0] = pons_bartlett(7), out[1] = pons_bartlett(1); }
CASE(blackman) { (void)in, out[0] = pons_blackman(8), out[1] = pons_blackman(1); }
CASE(hamming) { (void)in, out[0] = pons_hamming(7), out[1] = pons_hamming(1); }
CASE(hanning) { (void)in, out[0] = pons_hanning(8), out[1] = pons_hanning(1); }

static const conformance_case cases[] = {
    {"fft_fft", fft, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 3, 8)}},
    {"fft_fft: transposed", fft, TYPES_INEXACT, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 6)}},
    {"fft_fft: padded, orthogonal", fft_of_five, TYPES_INEXACT, true, 1, 1, {INPUT(STRIDED, 2, 3, 4)}},
    {"fft_fft: a prime length", fft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 2, 2, 37)}},
    {"fft_fft: a long line", fft, TYPES_INEXACT, true, 1, 1, {INPUT(STRIDED, 1, 180)}},
    {"fft_fft: a long line of a prime length", fft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 1, 149)}},
    {"fft_fft: no lines", fft, TYPES_INEXACT, false, 1, 1, {INPUT(PLAIN, 2, 0, 4)}},
    {"fft_ifft", ifft, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 5, 3)}},
    {"fft_ifft: cut", ifft_of_three, TYPES_INEXACT, true, 1, 1, {INPUT(STRIDED, 2, 2, 4)}},
    {"fft_rfft", rfft, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 3, 8)}},
    {"fft_rfft: odd", rfft, TYPES_INEXACT, true, 1, 1, {INPUT(STRIDED, 2, 3, 7)}},
    {"fft_rfft: one element", rfft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 2, 3, 1)}},
    {"fft_rfft: padded along another axis", rfft_of_nine, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 2, 5, 3)}},
    {"fft_rfft: a long line", rfft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 1, 300)}},
    {"fft_rfft: a long odd line", rfft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 1, 135)}},
    {"fft_irfft", irfft, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 3, 5)}},
    {"fft_irfft: odd", irfft_of_seven, TYPES_INEXACT, true, 1, 1, {INPUT(TRANSPOSED, 2, 4, 3)}},
    {"fft_irfft: a long line", irfft, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 1, 141)}},
    {"fft_fft2", fft2, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 3, 2, 4, 3)}},
    {"fft_ifft2", ifft2, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 3, 3, 2, 6)}},
    {"fft_rfft2", rfft2, TYPES_INEXACT, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 4, 3)}},
    {"fft_irfft2", irfft2, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 3, 2, 4, 3)}},
    {"fft_fftn", fftn, TYPES_INEXACT, true, 1, 1, {INPUT(REPEATED, 3, 2, 4, 3)}},
    {"fft_fftn: no axes", fftn_of_none, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 2, 4, 3)}},
    {"fft_ifftn", ifftn, TYPES_INEXACT, true, 1, 1, {INPUT(STRIDED, 3, 2, 4, 3)}},
    {"fft_rfftn", rfftn, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 3, 4, 2, 3)}},
    {"fft_irfftn", irfftn, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 3, 2, 4, 3)}},
    {"fft_fftfreq", frequencies, TYPES_ONE, false, 0, 2, {{0}}},
    {"fft_rfftfreq", real_frequencies, TYPES_ONE, false, 0, 2, {{0}}},
    {"fft_fftshift", shift, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 4, 5)}},
    {"fft_ifftshift", shift_back, TYPES_ANY, true, 1, 2, {INPUT(PLAIN, 2, 4, 5)}},
    {"fft_stft", stft, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 1, 21)}},
    {"fft_stft: edges", stft_edge, TYPES_FLOAT, true, 1, 1, {INPUT(STRIDED, 3, 2, 1, 11)}},
    {"fft_stft: two-sided", stft_twosided, TYPES_INEXACT, true, 1, 1, {INPUT(PLAIN, 2, 2, 12)}},
    {"fft_stft: not centered",
     stft_uncentered,
     TYPES_FLOAT,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 2, 9), INPUT(PLAIN, 1, 3)}},
    {"fft_istft", istft, TYPES_COMPLEX, true, 1, 1, {INPUT(PLAIN, 2, 5, 6)}},
    {"fft_istft: padded", istft_longer, TYPES_COMPLEX, true, 1, 1, {INPUT(PLAIN, 3, 2, 4, 5)}},
    {"fft_istft: two-sided, not centered",
     istft_twosided,
     TYPES_COMPLEX,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 6, 5), {PONS_FLOAT32, 1, {6}, 0.5, 1, LAYOUT_PLAIN}}},
    {"hadamard_transform", hadamard, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 3, 8)}},
    {"hadamard_transform: 12", hadamard_scaled, TYPES_FLOAT, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 12)}},
    {"hadamard_transform: 40", hadamard, TYPES_FLOAT, true, 1, 1, {INPUT(STRIDED, 3, 1, 2, 40)}},
    {"hadamard_transform: 28", hadamard_scaled, TYPES_FLOAT, true, 1, 1, {INPUT(PLAIN, 1, 28)}},
    {"hadamard_transform: scalar", hadamard_scaled, TYPES_FLOAT, true, 1, 1, {INPUT(PLAIN, 0, 0)}},
    {"bartlett", bartlett, TYPES_ONE, false, 0, 2, {{0}}},
    {"blackman", blackman, TYPES_ONE, false, 0, 2, {{0}}},
    {"hamming", hamming, TYPES_ONE, false, 0, 2, {{0}}},
    {"hanning", hanning, TYPES_ONE, false, 0, 2, {{0}}},
};

const conformance_case *spectral_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
