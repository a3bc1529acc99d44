/* fft_test.c: transforms of small signals, of signals of any length, their derivatives, what is refused. Values are those of NumPy 2.3, or
   those in float64; derivatives are held against the adjoint: <c, F x> = <vjp(c), x> for random x and c. */
#include "ops/ops_for_tests.h"
#include "tests/seed.h"
#include <math.h>
#include <stdlib.h>

static uint64_t seed;
static float draw(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(seed >> 11) / 4503599627370496.0 - 1);
}

static pons_array drawn(pons_shape shape, pons_dtype dtype) {
  float values[800];
  const int64_t size = shape_size(shape.count, shape.at) * (dtype == PONS_COMPLEX64 ? 2 : 1);
  assert_true(size <= 800);
  for (int64_t i = 0; i < size; i++) values[i] = draw();
  return pons_array_from(values, shape, dtype);
}

static pons_array reals(int n, const float *values) { return pons_array_from(values, PONS_SHAPE(n), PONS_FLOAT32); }
#define REALS(...) reals((int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (const float[]){__VA_ARGS__})

/* ---- values ---- */

/* `count` numbers in a row, or pairs of them; no device makes a sum of numbers around 1 less exact. */
static void near(pons_array got, pons_dtype dtype, int count, const double *want) {
  const int64_t size = pons_dtype_size(dtype) == 2 * pons_dtype_size(dtype_of_parts(dtype)) ? count / 2 : count;
  pons_array parts = pons_astype(pons_array_from(want, PONS_SHAPE(count), PONS_FLOAT64), dtype_of_parts(dtype));
  pons_array all = pons_view(parts, dtype);
  if (pons_dtype_of(got) != dtype || pons_dim(got, 0) != size || pons_item(pons_allclose(got, all, 1e-6, 1e-6)) != 1) {
    char *text = pons_to_text(got);
    fail_msg("%s", text ? text : pons_error());
  }
}
#define NEAR(got, dtype, ...) near(got, dtype, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]){__VA_ARGS__})

static void small_signals(void **state) {
  (void)state;
  NEAR(pons_fft_rfft(pons_astype(REALS(1, 2, 3, 4), PONS_FLOAT64)), PONS_COMPLEX128, 10, 0, -2, 2, -2, 0);
  NEAR(pons_fft_fft(REALS(1, 2, 3, 4)), PONS_COMPLEX64, 10, 0, -2, 2, -2, 0, -2, -2);
  NEAR(pons_fft_rfft(REALS(1, 2, 3, 4)), PONS_COMPLEX64, 10, 0, -2, 2, -2, 0);
  NEAR(pons_fft_fft(REALS(1, 2, 3, 4), .n = 2), PONS_COMPLEX64, 3, 0, -1, 0);
  NEAR(pons_fft_fft(REALS(1, 2), .n = 4), PONS_COMPLEX64, 3, 0, 1, -2, -1, 0, 1, 2);
  NEAR(pons_fft_fft(REALS(1, 2, 3, 4), .norm = PONS_FFT_ORTHO), PONS_COMPLEX64, 5, 0, -1, 1, -1, 0, -1, -1);
  NEAR(pons_fft_ifft(REALS(1, 2, 3, 4), .norm = PONS_FFT_FORWARD), PONS_COMPLEX64, 10, 0, -2, -2, -2, 0, -2, 2);
  NEAR(pons_fft_irfft(REALS(6, 0, 0)), PONS_FLOAT32, 1.5, 1.5, 1.5, 1.5);
  NEAR(pons_fft_irfft(REALS(6, 0, 0), .n = 3), PONS_FLOAT32, 2, 2, 2);
  NEAR(pons_fft_irfft(REALS(3), .n = 1), PONS_FLOAT32, 3);
  NEAR(pons_fft_fftfreq(5, 0.1), PONS_FLOAT32, 0, 2, 4, -4, -2);
  NEAR(pons_fft_rfftfreq(4, 0.5), PONS_FLOAT32, 0, 0.5, 1);
  NEAR(pons_fft_fftshift(REALS(0, 1, 2, 3, 4), PONS_AXES(0)), PONS_FLOAT32, 3, 4, 0, 1, 2);
  NEAR(pons_fft_ifftshift(REALS(0, 1, 2, 3, 4), PONS_AXES(-1)), PONS_FLOAT32, 2, 3, 4, 0, 1);
}

/* Neither the imaginary part of frequency 0 nor that of n / 2 belongs to a real signal. */
static void imaginary_parts_that_no_real_signal_has_are_dropped(void **state) {
  (void)state;
  const float pairs[] = {1, 2, 3, 4, 5, 3};
  NEAR(pons_fft_irfft(pons_array_from(pairs, PONS_SHAPE(3), PONS_COMPLEX64)), PONS_FLOAT32, 3, -3, 0, 1);
}

static void windows(void **state) {
  (void)state;
  check(pons_bartlett(5), "[0, 0.5, 1, 0.5, 0] float32");
  check(pons_hamming(3), "[0.08, 1, 0.08] float32");
  check(pons_hanning(1), "[1] float32");
  check(pons_blackman(0), "[] float32");
}

/* Overlapping frames give back the signal, edges included, for every way to lay them out. */
static void a_signal_comes_back_from_its_frames(void **state) {
  (void)state;
  for (int turns = 0; turns < 60; turns++) {
    const pons_scope s = pons_scope_open();
    const int64_t n_fft = 4 + turns % 7, hop = 1 + turns % (n_fft / 2), length = 20 + turns;
    pons_array x = drawn(PONS_SHAPE(2, length), PONS_FLOAT32), window = pons_hamming(n_fft);
    pons_array y = pons_fft_stft(x, .n_fft = n_fft, .hop_length = hop, .window = window, .norm = (pons_fft_norm)(turns % 3),
                                 .pad_mode = (pons_stft_pad)(turns / 3 % 3), .sides = turns % 2 ? PONS_STFT_TWOSIDED : PONS_STFT_ONESIDED);
    pons_array back = pons_fft_istft(y, .n_fft = n_fft, .hop_length = hop, .window = window, .norm = (pons_fft_norm)(turns % 3),
                                     .twosided = turns % 2, .length = length);
    pons_array near = pons_allclose(back, x, 1e-4, 1e-5);
    if (pons_item(near) != 1) fail_msg("n_fft %d, hop %d, length %d: %s", (int)n_fft, (int)hop, (int)length, pons_error());
    pons_scope_close(s);
  }
}

/* ---- any length ---- */

/* How far `got` is from `want`, which is of float64, as a part of that. */
static double distance(pons_array got, pons_array want) {
  pons_array gap = pons_square(pons_abs(pons_subtract(pons_astype(got, pons_dtype_of(want)), want)));
  const double off = pons_item(pons_sum(gap)), size = pons_item(pons_sum(pons_square(pons_abs(want))));
  if (!pons_ok()) fail_msg("%s", pons_error());
  return sqrt(off / size);
}

static pons_array in_doubles(pons_array x) {
  return pons_astype(x, dtype_of_parts(pons_dtype_of(x)) == pons_dtype_of(x) ? PONS_FLOAT64 : PONS_COMPLEX128);
}

/* Complex (2, n, 3) whose lines lie along the second axis, in memory or across it. */
static pons_array many(int64_t n, bool across) {
  float *values = malloc((size_t)(12 * n) * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < 12 * n; i++) values[i] = draw();
  pons_array x = across ? pons_array_from(values, PONS_SHAPE(2, n, 3), PONS_COMPLEX64)
                        : pons_swapaxes(pons_array_from(values, PONS_SHAPE(2, 3, n), PONS_COMPLEX64), 1, 2);
  free(values);
  return x;
}

static void length_is_near(int64_t n, bool across) {
  const pons_scope s = pons_scope_open();
  pons_array x = many(n, across), doubles = in_doubles(x), real = pons_real(x), half = pons_fft_rfft(in_doubles(real), .axis = PONS_AXES(1));
  pons_array narrow = pons_astype(half, PONS_COMPLEX64);
  const struct {
    const char *name;
    pons_array got, want;
  } each[] = {
      {"fft", pons_fft_fft(x, .axis = PONS_AXES(1)), pons_fft_fft(doubles, .axis = PONS_AXES(1))},
      {"ifft", pons_fft_ifft(x, .axis = PONS_AXES(1)), pons_fft_ifft(doubles, .axis = PONS_AXES(1))},
      {"rfft", pons_fft_rfft(real, .axis = PONS_AXES(1)), half},
      {"irfft", pons_fft_irfft(narrow, .axis = PONS_AXES(1), .n = n), in_doubles(real)},
      {"irfftn", pons_fft_irfftn(narrow, .axes = PONS_AXES(2, 1), .s = PONS_SHAPE(3, n)),
       pons_fft_irfftn(in_doubles(narrow), .axes = PONS_AXES(2, 1), .s = PONS_SHAPE(3, n))},
  };
  for (int i = 0; i < (int)(sizeof each / sizeof *each); i++) {
    const double off = distance(each[i].got, each[i].want);
    if (!(off < 1e-6)) fail_msg("%s of %d, %s memory: %g off", each[i].name, (int)n, across ? "across" : "along", off);
  }
  pons_scope_close(s);
}

/* Small ones, powers, products of small primes, primes, what devices take apart and what they don't. */
static void lengths_are_near_those_in_float64(void **state) {
  (void)state;
  static const int16_t lengths[] = {1, 2, 3, 5, 8, 30, 64, 121, 210, 331, 512, 1000, 1021, 1024, 1025, 1031, 1152, 2048, 2049, 2062, 2187, 5005, 6000, 8192, 8209};
  for (int i = 0; i < (int)(sizeof lengths / sizeof *lengths); i++) length_is_near(lengths[i], i % 2);
  for (int turns = 0; turns < 8; turns++) length_is_near(1 + (int64_t)(1499.0 * (draw() + 1)), turns % 2);
}

/* ---- derivatives ---- */

typedef pons_array transform(pons_array x);
static pons_array rfft_even(pons_array x) { return pons_fft_rfft(x, .axis = PONS_AXES(0)); }
static pons_array rfft_odd(pons_array x) { return pons_fft_rfft(x, .n = 7, .norm = PONS_FFT_ORTHO); }
static pons_array irfft_even(pons_array x) { return pons_fft_irfft(x); }
static pons_array irfft_odd(pons_array x) { return pons_fft_irfft(x, .n = 5, .norm = PONS_FFT_FORWARD); }
static pons_array fft_two(pons_array x) { return pons_fft_fft2(x); }
static pons_array ifft_cut(pons_array x) { return pons_fft_ifft(x, .n = 3); }
static pons_array rfft_three(pons_array x) { return pons_fft_rfftn(x); }
static pons_array irfft_two(pons_array x) { return pons_fft_irfft2(x, .s = PONS_SHAPE(5, 4), .axes = PONS_AXES(2, 1)); }
static const struct {
  const char *name;
  transform *f;
  pons_dtype from;
} transforms[] = {
    {"rfft, even", rfft_even, PONS_FLOAT32},     {"rfft, odd", rfft_odd, PONS_FLOAT32},
    {"irfft, even", irfft_even, PONS_COMPLEX64}, {"irfft, odd", irfft_odd, PONS_COMPLEX64},
    {"fft2", fft_two, PONS_COMPLEX64},           {"ifft, cut", ifft_cut, PONS_COMPLEX64},
    {"rfftn", rfft_three, PONS_FLOAT32},         {"irfft2", irfft_two, PONS_COMPLEX64},
};

/* Re <a, b> */
static double dot(pons_array a, pons_array b) {
  pons_array product = pons_multiply(pons_conjugate(pons_astype(a, PONS_COMPLEX64)), pons_astype(b, PONS_COMPLEX64));
  const double sum = pons_item(pons_sum(pons_real(product)));
  if (!pons_ok()) fail_msg("%s", pons_error());
  return sum;
}

static void call(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = transforms[*(const int *)payload].f(in[0]);
}

/* sum |F x|^2, and its gradient */
static void power(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  pons_array y = transforms[*(const int *)payload].f(in[0]);
  out[0] = pons_sum(pons_square(pons_abs(y)));
}

static void gradients_are_adjoint(void **state) {
  (void)state;
  for (int i = 0; i < (int)(sizeof transforms / sizeof *transforms); i++) {
    pons_function f = pons_function_new(call, 1, &i, NULL);
    pons_array x = drawn(PONS_SHAPE(4, 2, 6), transforms[i].from), y, grad, tangent;
    pons_array value = transforms[i].f(x);
    pons_array c = drawn(pons_shape_of(value), pons_dtype_of(value));
    if (!pons_vjp(f, &x, 1, &c, 1, &y, &grad)) fail_msg("%s: %s", transforms[i].name, pons_error());
    assert_int_equal(pons_dtype_of(grad), pons_dtype_of(x));
    const double want = dot(c, y);
    if (fabs(dot(grad, x) - want) > 1e-4 * (1 + fabs(want)))
      fail_msg("%s: %g, not %g", transforms[i].name, dot(grad, x), want);
    assert_true(pons_jvp(f, &x, &x, 1, 1, &y, &tangent));
    assert_true(pons_item(pons_allclose(tangent, value, 1e-4, 1e-4)) == 1);
    pons_function_release(f);
  }
}

/* The gradient of sum |F x|^2 is linear in x, so that its product with x is twice the sum, and that of its derivative along
   v with x that of the gradient at v. */
static void second_derivatives(void **state) {
  (void)state;
  for (int i = 0; i < (int)(sizeof transforms / sizeof *transforms); i++) {
    pons_function f = pons_function_new(power, 1, &i, NULL), gradient = pons_grad(f, PONS_AXES(0));
    pons_array x = drawn(PONS_SHAPE(4, 2, 6), transforms[i].from), v = drawn(PONS_SHAPE(4, 2, 6), transforms[i].from);
    pons_array sum, at_x, at_v, along, again;
    assert_true(pons_call(f, &x, 1, &sum, 1));
    assert_true(pons_call(gradient, &x, 1, &at_x, 1));
    assert_true(pons_call(gradient, &v, 1, &at_v, 1));
    const double twice = 2 * pons_item(sum), want = dot(at_v, x);
    if (fabs(dot(at_x, x) - twice) > 1e-4 * twice) fail_msg("%s: %g, not %g", transforms[i].name, dot(at_x, x), twice);
    if (!pons_jvp(gradient, &x, &v, 1, 1, &again, &along)) fail_msg("%s: %s", transforms[i].name, pons_error());
    if (fabs(dot(along, x) - want) > 1e-4 * twice) fail_msg("%s: %g, not %g", transforms[i].name, dot(along, x), want);
    if (!pons_vjp(gradient, &x, 1, &v, 1, &again, &along)) fail_msg("%s: %s", transforms[i].name, pons_error());
    if (fabs(dot(along, x) - want) > 1e-4 * twice) fail_msg("%s: %g, not %g", transforms[i].name, dot(along, x), want);
    pons_function_release(gradient);
    pons_function_release(f);
  }
}

/* ---- Hadamard ---- */

static void hadamard(void **state) {
  (void)state;
  check(pons_hadamard_transform(REALS(1, 2, 3, 4)), "[5, -1, -2, 0] float32");
  check(pons_hadamard_transform(REALS(1, 2), .scale = 2), "[6, -2] float32");
  check(pons_hadamard_transform(pons_float(3)), "3 float32");
  /* H transposed times H is n: for every order there is, by itself and times a power of two */
  for (int64_t m = 1; m <= 28; m++) {
    if (!hadamard_factor(m)) continue;
    for (int64_t n = m; n <= 4 * m; n *= 2) {
      pons_array h = pons_hadamard_transform(pons_eye(n, n, 0, PONS_FLOAT32), .scale = 1);
      pons_array product = pons_matmul(h, pons_transpose(h));
      pons_array want = pons_multiply(pons_eye(n, n, 0, PONS_FLOAT32), pons_float((double)n));
      assert_true(pons_item(pons_array_equal(product, want)) == 1);
      assert_true(pons_item(pons_all(pons_equal(pons_abs(h), pons_float(1)))) == 1);
    }
  }
  check_error(pons_hadamard_transform(pons_ones(PONS_SHAPE(2, 36), PONS_FLOAT32)),
              "hadamard_transform: the last axis of (2, 36) float32 is not 2^k times 1, 12, 20 or 28");
  check_error(pons_hadamard_transform(pons_ones(PONS_SHAPE(0, 4), PONS_FLOAT32)),
              "hadamard_transform: (0, 4) float32 is empty");
  check_error(pons_hadamard_transform(pons_ones(PONS_SHAPE(4), PONS_COMPLEX64)),
              "hadamard_transform: not defined for (4) complex64");
  check_error(pons_hadamard_transform(pons_ones(PONS_SHAPE(1), PONS_COMPLEX64)),
              "hadamard_transform: not defined for (1) complex64");
}

/* ---- what is refused ---- */

static void errors(void **state) {
  (void)state;
  pons_array x = pons_ones(PONS_SHAPE(2, 4), PONS_FLOAT32);
  check_error(pons_fft_fft(x, .n = -3), "fft: -3 elements along axis 1 of (2, 4) float32");
  check_error(pons_fft_fft(x, .axis = PONS_AXES(2)), "fft: axis 2 is out of range for (2, 4) float32");
  check_error(pons_fft_fft(pons_ones(PONS_SHAPE(3, 0), PONS_FLOAT32)), "fft: 0 elements along axis 1 of (3, 0) float32");
  check_error(pons_fft_irfft(REALS(1)), "irfft: 0 elements along axis 0 of (1) float32");
  check_error(pons_fft_fft2(REALS(1, 2)), "fft2: 2 axes of (2) float32");
  check_error(pons_fft_fftn(pons_float(1)), "fftn: a scalar has no axes");
  check_error(pons_fft_rfftn(x, .s = PONS_SHAPE(2, 2)), "rfftn: sizes are given, but not the axes they are for");
  check_error(pons_fft_rfftn(x, .s = PONS_SHAPE(2, 2), .axes = PONS_AXES(0)), "rfftn: 2 sizes for 1 axes");
  check_error(pons_fft_ifftn(x, .axes = PONS_AXES(1, -1)), "ifftn: axis -1 of (2, 4) float32 is given twice");
  check_error(pons_fft_fft(x, .norm = (pons_fft_norm)3), "fft: norm 3 is none");
  check_error(pons_fft_fftfreq(0, 1), "fftfreq: 0 samples");
  check_error(pons_fft_fftfreq(INT64_MAX, 1), "arange: 0 to 4.61169e+18 by 1 are too many elements");
  check_error(pons_fft_rfftfreq(3, 0), "rfftfreq: the distance of samples is 0");
  check_error(pons_fft_fftshift(x, PONS_AXES(2)), "fftshift: axis 2 of 2");
  check_error(pons_fft_stft(x, .n_fft = -1), "stft: n_fft -1 is not positive");
  check_error(pons_fft_stft(x, .n_fft = 3), "stft: hop_length 0 is not positive");
  check_error(pons_fft_stft(x, .n_fft = 8), "stft: 4 elements can't be mirrored at the ends of 4");
  check_error(pons_fft_stft(x, .n_fft = 5, .uncentered = true), "stft: a signal of 4 is too short for frames of 5");
  check_error(pons_fft_stft(x, .n_fft = 4, .window = pons_hanning(5)), "stft: a window of 5 for frames of 4");
  check_error(pons_fft_istft(REALS(1)), "istft: needs axes of frequencies and frames, not 1");
}

int main(void) {
  seed = seed_of_run(7);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_signals),
      cmocka_unit_test(imaginary_parts_that_no_real_signal_has_are_dropped),
      cmocka_unit_test(windows),
      cmocka_unit_test(a_signal_comes_back_from_its_frames),
      cmocka_unit_test(lengths_are_near_those_in_float64),
      cmocka_unit_test(gradients_are_adjoint),
      cmocka_unit_test(second_derivatives),
      cmocka_unit_test(hadamard),
      cmocka_unit_test(errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
