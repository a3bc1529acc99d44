/* products.c: cases that arithmetic bounds: products of matrices, attention, convolution, quantized products,
   transforms, factorizations. */
#include "cases.h"

/* ---- matrices: size is batch, m, n, k ---- */

bool prepare_product(const bench_case *c) {
  const int64_t *s = c->size;
  bool one = s[0] == 1;
  set_slot(0, uniform(one ? PONS_SHAPE(s[1], s[3]) : PONS_SHAPE(s[0], s[1], s[3]), c->dtype, 1));
  set_slot(1, uniform(one ? PONS_SHAPE(s[3], s[2]) : PONS_SHAPE(s[0], s[3], s[2]), c->dtype, 2));
  if (s[2] == 1) set_slot(1, uniform(PONS_SHAPE(s[3]), c->dtype, 2));
  return pons_ok();
}

int run_matmul(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_matmul(slot(0), slot(1));
  return 1;
}

/* ---- codes of 8 bits that are cast and multiplied: m, n, k ---- */

static pons_array codes(int64_t rows, int64_t k, pons_dtype dtype, uint64_t seed) {
  pons_array x = uniform(PONS_SHAPE(rows, k), PONS_FLOAT32, seed);
  return dtype == PONS_INT8 ? pons_astype(pons_multiply(x, pons_float(128)), PONS_INT8) : pons_to_fp8(x);
}
bool prepare_codes(const bench_case *c) {
  set_slot(0, codes(c->size[0], c->size[2], c->dtype, 1));
  set_slot(1, codes(c->size[1], c->size[2], c->dtype, 2));
  return pons_ok();
}

int run_int8_product(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_matmul(pons_astype(slot(0), PONS_FLOAT32), pons_transpose(pons_astype(slot(1), PONS_FLOAT32)));
  return 1;
}
int run_fp8_product(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_matmul(pons_from_fp8(slot(0), PONS_BFLOAT16), pons_transpose(pons_from_fp8(slot(1), PONS_BFLOAT16)));
  return 1;
}

/* ---- attention: heads, queries, keys, width ---- */

static bool prepare_heads(const bench_case *c, int64_t kv_heads) {
  const int64_t *s = c->size;
  set_slot(0, uniform(PONS_SHAPE(1, s[0], s[1], s[3]), c->dtype, 1));
  set_slot(1, uniform(PONS_SHAPE(1, kv_heads, s[2], s[3]), c->dtype, 2));
  set_slot(2, uniform(PONS_SHAPE(1, kv_heads, s[2], s[3]), c->dtype, 3));
  return pons_ok();
}
bool prepare_attention(const bench_case *c) { return prepare_heads(c, c->size[0]); }
bool prepare_shared_attention(const bench_case *c) { return prepare_heads(c, c->size[0] / 4); }

int run_attention(const bench_case *c, pons_array *out) {
  *out =
      pons_fast_scaled_dot_product_attention(slot(0), .k = slot(1), .v = slot(2), .causal = c->size[1] > 1);
  return 1;
}

/* ---- convolution and its two gradients: vjp of the one operand, with the cotangent in slot 2; size: images, side, channels,
   groups ---- */

static int64_t groups; /* of the case that was prepared last */

static pons_array convolution(pons_array x, pons_array weight) {
  return pons_conv2d(x, .weight = weight, .padding = PONS_AXES(1), .groups = (int)groups);
}

bool prepare_conv(const bench_case *c) {
  const int64_t images = c->size[0], side = c->size[1], channels = c->size[2];
  groups = c->size[3];
  set_slot(0, uniform(PONS_SHAPE(images, side, side, channels), PONS_FLOAT32, 1));
  set_slot(1, uniform(PONS_SHAPE(channels, 3, 3, channels / groups), PONS_FLOAT32, 2));
  set_slot(2, uniform(PONS_SHAPE(images, side, side, channels), PONS_FLOAT32, 3));
  return pons_ok();
}

int run_conv(const bench_case *c, pons_array *out) {
  (void)c;
  *out = convolution(slot(0), slot(1));
  return 1;
}

static void of_input(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = convolution(in[0], slot(1));
}
static void of_weight(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = convolution(slot(0), in[0]);
}

static int gradient(pons_callback callback, pons_array at, pons_array *out) {
  pons_function f = pons_function_new(callback, 1, NULL, NULL);
  pons_array value, cotangent = slot(2);
  pons_vjp(f, &at, 1, &cotangent, 1, &value, out);
  pons_function_release(f);
  return 1;
}

int run_conv_input_gradient(const bench_case *c, pons_array *out) {
  (void)c;
  return gradient(of_input, slot(0), out);
}
int run_conv_weight_gradient(const bench_case *c, pons_array *out) {
  (void)c;
  return gradient(of_weight, slot(1), out);
}

/* ---- quantized: rows, n, k, layers: 0, or products one after the other, each with codes of its own ---- */

bool prepare_quantized(const bench_case *c) {
  const int64_t *s = c->size;
  pons_array codes[3];
  const pons_shape weight = s[3] ? PONS_SHAPE(s[3], s[1], s[2]) : PONS_SHAPE(s[1], s[2]);
  set_slot(0, uniform(PONS_SHAPE(s[0], s[2]), c->dtype, 1));
  pons_quantize(codes, uniform(weight, c->dtype, 2), .bits = 4, .group_size = 64);
  for (int i = 0; i < 3; i++) set_slot(1 + i, codes[i]);
  return pons_ok();
}

int run_quantized(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_quantized_matmul(slot(0), .w = slot(1), .scales = slot(2), .biases = slot(3), .bits = 4,
                               .group_size = 64);
  return 1;
}

static pons_array layer(int part, int64_t i) {
  const pons_array all = slot(part);
  const int64_t rows = pons_dim(all, 1), columns = pons_dim(all, 2);
  return pons_squeeze(pons_slice(all, PONS_SHAPE(i, 0, 0), PONS_SHAPE(i + 1, rows, columns), PONS_SHAPE(1, 1, 1)), PONS_AXES(0));
}

int run_quantized_layers(const bench_case *c, pons_array *out) {
  *out = slot(0);
  for (int64_t i = 0; i < c->size[3]; i++)
    *out = pons_quantized_matmul(*out, .w = layer(1, i), .scales = layer(2, i), .biases = layer(3, i), .bits = 4, .group_size = 64);
  return 1;
}

/* ---- experts: rows, n, k, experts; each row times the matrix of its expert ---- */

static void set_experts(const bench_case *c, int place) {
  const int64_t *s = c->size;
  pons_array rows = pons_arange(0, (double)s[0], 1, PONS_INT32);
  set_slot(0, uniform(PONS_SHAPE(s[0], 1, s[2]), c->dtype, 1));
  set_slot(place, pons_astype(pons_floor_divide(pons_multiply(rows, pons_int(s[3])), pons_int(s[0])), PONS_UINT32));
}

bool prepare_experts(const bench_case *c) {
  const int64_t *s = c->size;
  set_experts(c, 2);
  set_slot(1, uniform(PONS_SHAPE(s[3], s[1], s[2]), c->dtype, 2));
  return pons_ok();
}

bool prepare_quantized_experts(const bench_case *c) {
  const int64_t *s = c->size;
  pons_array codes[3];
  set_experts(c, 4);
  pons_quantize(codes, uniform(PONS_SHAPE(s[3], s[1], s[2]), c->dtype, 2), .bits = 4, .group_size = 64);
  for (int i = 0; i < 3; i++) set_slot(1 + i, codes[i]);
  return pons_ok();
}

int run_experts(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_gather_mm(slot(0), pons_swapaxes(slot(1), -1, -2), NULL, slot(2), .sorted_indices = true);
  return 1;
}

int run_quantized_experts(const bench_case *c, pons_array *out) {
  (void)c;
  *out = pons_gather_qmm(slot(0), slot(1), slot(2), slot(3), NULL, slot(4), .bits = 4, .group_size = 64, .sorted_indices = true);
  return 1;
}

/* ---- transforms ---- */

bool prepare_fft(const bench_case *c) {
  const int64_t *s = c->size;
  const pons_shape shape = s[1] ? PONS_SHAPE(s[0], s[1]) : PONS_SHAPE(s[0]);
  pons_array imaginary = pons_multiply(uniform(shape, PONS_FLOAT32, 2), pons_complex(0, 1));
  set_slot(0, pons_add(uniform(shape, PONS_FLOAT32, 1), imaginary));
  return pons_ok();
}

#define BODY(name, value)                          \
  int name(const bench_case *c, pons_array *out) { \
    (void)c;                                       \
    *out = value;                                  \
    return 1;                                      \
  }
BODY(run_fft, pons_fft_fft(slot(0)))
BODY(run_fft2, pons_fft_fft2(slot(0)))
BODY(run_rfft, pons_fft_rfft(slot(0)))

/* ---- factorizations ---- */

bool prepare_square(const bench_case *c) {
  set_slot(0, uniform(PONS_SHAPE(c->size[0], c->size[1]), PONS_FLOAT32, 1));
  return pons_ok();
}

/* Symmetric, its eigenvalues far from 0. */
bool prepare_positive(const bench_case *c) {
  int64_t n = c->size[0];
  pons_array a = uniform(PONS_SHAPE(n, n), PONS_FLOAT32, 1);
  pons_array square = pons_divide(pons_matmul(a, pons_transpose(a)), pons_float((double)n));
  set_slot(0, pons_add(square, pons_eye(n, n, 0, PONS_FLOAT32)));
  set_slot(1, uniform(PONS_SHAPE(n, n), PONS_FLOAT32, 2));
  return pons_ok();
}

BODY(run_cholesky, pons_linalg_cholesky(slot(0), false))
BODY(run_inverse, pons_linalg_inv(slot(0)))
BODY(run_solve, pons_linalg_solve(slot(0), slot(1)))

int run_svd(const bench_case *c, pons_array *out) {
  (void)c;
  pons_linalg_svd(slot(0), true, out);
  return 3;
}
int run_qr(const bench_case *c, pons_array *out) {
  (void)c;
  pons_linalg_qr(slot(0), out);
  return 2;
}
int run_eigh(const bench_case *c, pons_array *out) {
  (void)c;
  pons_linalg_eigh(slot(0), 'L', out);
  return 2;
}
