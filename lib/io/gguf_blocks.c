/* gguf_blocks.c: the types of GGUF's tensors, and the values in their blocks, as ggml defines them.

   A block of type K holds 256 values in groups of 16 or 32, each with a scale (and a least value) of few bits
   under the block's own. In a group of nibbles the low ones are the first half, the high ones the second. */
#include "gguf.h"
#include <string.h>

/* ---- halves ---- */

float gguf_float_of_half(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
  uint32_t bits;
  float x;
  if (exponent == 0) {
    x = (float)fraction * 0x1p-24f;
    memcpy(&bits, &x, 4);
  } else {
    bits = (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
  }
  bits |= sign;
  memcpy(&x, &bits, 4);
  return x;
}

uint16_t gguf_half_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; /* rounds to 65536 or more */
  if (magnitude < 0x38800000) {                      /* a multiple of 2^-24 */
    memcpy(&x, &magnitude, 4);
    const float rounded = x + 0x1p-1f; /* floats here are 2^-24 apart: the addition rounds */
    memcpy(&bits, &rounded, 4);
    return (uint16_t)(sign | (bits - 0x3f000000));
  }
  return (uint16_t)(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13));
}

/* ---- values of a block ---- */

static float half_at(const unsigned char *at) { return gguf_float_of_half((uint16_t)(at[0] | at[1] << 8)); }

static uint32_t u32_at(const unsigned char *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* d, 32 fifth bits, 32 nibbles; with a least value before the bits in Q5_1. */
static void five_bits(const unsigned char *bits, float d, float least, int zero, float *y) {
  const uint32_t fifth = u32_at(bits);
  for (int i = 0; i < 16; i++) {
    const int q = bits[4 + i];
    y[i] = d * (float)(((q & 15) | (int)(fifth >> i & 1) << 4) - zero) + least;
    y[i + 16] = d * (float)((q >> 4 | (int)(fifth >> (i + 16) & 1) << 4) - zero) + least;
  }
}
static void unpack_q5_0(const unsigned char *b, float *y) { five_bits(b + 2, half_at(b), 0, 16, y); }
static void unpack_q5_1(const unsigned char *b, float *y) {
  five_bits(b + 4, half_at(b), half_at(b + 2), 0, y);
}

/* d (a float), 256 signed bytes, sums that are not needed here. */
static void unpack_q8_k(const unsigned char *b, float *y) {
  const uint32_t bits = u32_at(b);
  float d;
  memcpy(&d, &bits, 4);
  for (int i = 0; i < 256; i++) y[i] = d * (float)(int8_t)b[4 + i];
}

/* 16 scales and least values of 4 bits, 256 values of 2, d, dmin. */
static void unpack_q2_k(const unsigned char *b, float *y) {
  const float d = half_at(b + 80), dmin = half_at(b + 82);
  for (int i = 0; i < 256; i++) {
    const int scale = b[i / 16], q = b[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    y[i] = d * (float)(scale & 15) * (float)q - dmin * (float)(scale >> 4);
  }
}

/* 256 third bits, 256 values of 2 bits, 16 scales of 6 bits (low nibbles, then high pairs), d. */
static void unpack_q3_k(const unsigned char *b, float *y) {
  const unsigned char *scales = b + 96;
  const float d = half_at(b + 108);
  for (int i = 0; i < 256; i++) {
    const int g = i / 16, low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    const int scale = (low | (scales[8 + g % 4] >> (g / 4 * 2) & 3) << 4) - 32;
    const int q = b[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3, third = b[i % 32] >> (i / 32) & 1;
    y[i] = d * (float)scale * (float)(q - (third ? 0 : 4));
  }
}

/* The j-th of 8 scales and least values of 6 bits in 12 bytes. */
static void six_bits(const unsigned char *s, int j, int *scale, int *least) {
  *scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
  *least = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
}

/* d, dmin, scales, 256 fifth bits (`fifth`, NULL: none), 256 nibbles. */
static void four_bits_k(const unsigned char *b, const unsigned char *fifth, const unsigned char *nibbles,
                        float *y) {
  const float d = half_at(b), dmin = half_at(b + 2);
  for (int i = 0; i < 256; i++) {
    const int g = i / 32, byte = nibbles[g / 2 * 32 + i % 32];
    int scale, least, q = g % 2 ? byte >> 4 : byte & 15;
    six_bits(b + 4, g, &scale, &least);
    if (fifth && fifth[i % 32] >> g & 1) q += 16;
    y[i] = d * (float)scale * (float)q - dmin * (float)least;
  }
}
static void unpack_q4_k(const unsigned char *b, float *y) { four_bits_k(b, NULL, b + 16, y); }
static void unpack_q5_k(const unsigned char *b, float *y) { four_bits_k(b, b + 16, b + 48, y); }

/* 256 nibbles, 256 pairs above them, 16 signed scales, d. */
static void unpack_q6_k(const unsigned char *b, float *y) {
  const float d = half_at(b + 208);
  for (int i = 0; i < 256; i++) {
    const int half = i / 128, quarter = i % 128 / 32, k = i % 32;
    const int byte = b[half * 64 + quarter % 2 * 32 + k], low = quarter < 2 ? byte & 15 : byte >> 4;
    const int high = b[128 + half * 32 + k] >> (quarter * 2) & 3;
    y[i] = d * (float)(int8_t)b[192 + i / 16] * (float)((low | high << 4) - 32);
  }
}

static const int8_t nl_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

static void sixteen_levels(const unsigned char *q, float d, float *y) {
  for (int i = 0; i < 16; i++) {
    y[i] = d * (float)nl_values[q[i] & 15];
    y[i + 16] = d * (float)nl_values[q[i] >> 4];
  }
}
static void unpack_iq4_nl(const unsigned char *b, float *y) { sixteen_levels(b + 2, half_at(b), y); }

/* d, the high pairs of 8 scales of 6 bits, their nibbles, 256 nibbles. */
static void unpack_iq4_xs(const unsigned char *b, float *y) {
  for (int g = 0; g < 8; g++) {
    const int low = b[4 + g / 2] >> (g % 2 * 4) & 15, high = (b[2] | b[3] << 8) >> (2 * g) & 3;
    sixteen_levels(b + 8 + 16 * g, half_at(b) * (float)((low | high << 4) - 32), y + 32 * g);
  }
}

/* The n-th of the ternary digits in a byte, which is ceil(number * 256 / 243), less 1. */
static float ternary(unsigned char byte, int n) {
  static const unsigned char power[5] = {1, 3, 9, 27, 81};
  const unsigned char q = (unsigned char)(byte * power[n]);
  return (float)((q * 3 >> 8) - 1);
}
static void unpack_tq1_0(const unsigned char *b, float *y) {
  const float d = half_at(b + 52);
  for (int i = 0; i < 160; i++) y[i] = d * ternary(b[i % 32], i / 32);
  for (int i = 0; i < 80; i++) y[160 + i] = d * ternary(b[32 + i % 16], i / 16);
  for (int i = 0; i < 16; i++) y[240 + i] = d * ternary(b[48 + i % 4], i / 4);
}
static void unpack_tq2_0(const unsigned char *b, float *y) {
  const float d = half_at(b + 64);
  for (int i = 0; i < 256; i++) y[i] = d * (float)((b[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1);
}

/* ---- the types ---- */

#define PLAIN(code, name, dtype, bytes) \
  { code, name, GGUF_PLAIN, dtype, 1, bytes, 0, NULL }
#define VALUES(code, name, values, bytes, unpack) \
  { code, name, GGUF_VALUES, PONS_FLOAT16, values, bytes, 0, unpack }
static const gguf_type types[] = {
    PLAIN(0, "F32", PONS_FLOAT32, 4),
    PLAIN(1, "F16", PONS_FLOAT16, 2),
    {2, "Q4_0", GGUF_AFFINE, PONS_FLOAT16, 32, 18, 4, NULL},
    {3, "Q4_1", GGUF_AFFINE, PONS_FLOAT16, 32, 20, 4, NULL},
    VALUES(6, "Q5_0", 32, 22, unpack_q5_0),
    VALUES(7, "Q5_1", 32, 24, unpack_q5_1),
    {8, "Q8_0", GGUF_AFFINE, PONS_FLOAT16, 32, 34, 8, NULL},
    VALUES(10, "Q2_K", 256, 84, unpack_q2_k),
    VALUES(11, "Q3_K", 256, 110, unpack_q3_k),
    VALUES(12, "Q4_K", 256, 144, unpack_q4_k),
    VALUES(13, "Q5_K", 256, 176, unpack_q5_k),
    VALUES(14, "Q6_K", 256, 210, unpack_q6_k),
    {15, "Q8_K", GGUF_VALUES, PONS_FLOAT32, 256, 292, 0, unpack_q8_k}, /* its scales may exceed float16 */
    VALUES(20, "IQ4_NL", 32, 18, unpack_iq4_nl),
    VALUES(23, "IQ4_XS", 256, 136, unpack_iq4_xs),
    PLAIN(24, "I8", PONS_INT8, 1),
    PLAIN(25, "I16", PONS_INT16, 2),
    PLAIN(26, "I32", PONS_INT32, 4),
    PLAIN(27, "I64", PONS_INT64, 8),
    PLAIN(28, "F64", PONS_FLOAT64, 8),
    PLAIN(30, "BF16", PONS_BFLOAT16, 2),
    VALUES(34, "TQ1_0", 256, 54, unpack_tq1_0),
    VALUES(35, "TQ2_0", 256, 66, unpack_tq2_0),
    {39, "MXFP4", GGUF_MXFP4, PONS_FLOAT16, 32, 17, 4, NULL},
};
/* Q8_1 and the like, which ggml makes while it computes, are not for files. */
enum { TYPES = sizeof types / sizeof *types };

const gguf_type *gguf_type_of_code(uint32_t code) {
  for (int i = 0; i < TYPES; i++)
    if (types[i].code == code) return &types[i];
  return NULL;
}

const gguf_type *gguf_type_named(const char *name) {
  for (int i = 0; i < TYPES; i++)
    if (strcmp(types[i].name, name) == 0) return &types[i];
  return NULL;
}

const gguf_type *gguf_type_of_dtype(pons_dtype dtype) {
  for (int i = 0; i < TYPES; i++)
    if (types[i].form == GGUF_PLAIN && types[i].dtype == dtype) return &types[i];
  return NULL;
}

bool gguf_metadata_dtype(uint32_t type, pons_dtype *dtype) {
  static const pons_dtype dtypes[GGUF_METADATA_TYPES] = {
      [GGUF_UINT8] = PONS_UINT8,     [GGUF_INT8] = PONS_INT8,      [GGUF_UINT16] = PONS_UINT16,
      [GGUF_INT16] = PONS_INT16,     [GGUF_UINT32] = PONS_UINT32,  [GGUF_INT32] = PONS_INT32,
      [GGUF_FLOAT32] = PONS_FLOAT32, [GGUF_BOOL] = PONS_BOOL,      [GGUF_UINT64] = PONS_UINT64,
      [GGUF_INT64] = PONS_INT64,     [GGUF_FLOAT64] = PONS_FLOAT64};
  if (type >= GGUF_METADATA_TYPES || type == GGUF_TEXT || type == GGUF_LIST) return false;
  *dtype = dtypes[type];
  return true;
}

/* ---- packed weights ---- */

void gguf_weights_of_block(const gguf_type *t, const unsigned char *block, unsigned char *weights) {
  const unsigned char *q = block + t->bytes - GGUF_GROUP * t->bits / 8;
  if (t->bits == 8) {
    for (int i = 0; i < 32; i++) weights[i] = q[i] ^ 0x80; /* signed, to be 128 more */
    return;
  }
  for (int i = 0; i < 8; i++) {
    weights[i] = (unsigned char)((q[2 * i] & 15) | (q[2 * i + 1] & 15) << 4);
    weights[i + 8] = (unsigned char)(q[2 * i] >> 4 | (q[2 * i + 1] & 0xf0));
  }
}

void gguf_block_of_weights(const gguf_type *t, const unsigned char *weights, unsigned char *block) {
  unsigned char *q = block + t->bytes - GGUF_GROUP * t->bits / 8;
  if (t->bits == 8) {
    for (int i = 0; i < 32; i++) q[i] = weights[i] ^ 0x80;
    return;
  }
  for (int i = 0; i < 8; i++) {
    q[2 * i] = (unsigned char)((weights[i] & 15) | (weights[i + 8] & 15) << 4);
    q[2 * i + 1] = (unsigned char)(weights[i] >> 4 | (weights[i + 8] & 0xf0));
  }
}

uint16_t gguf_implied_bias(const gguf_type *t, uint16_t scale) {
  return gguf_half_of_float((t->bits == 8 ? -128.f : -8.f) * gguf_float_of_half(scale));
}
