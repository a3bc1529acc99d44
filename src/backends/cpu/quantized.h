/* quantized.h: codes of few bits in words of uint32, as numbers and back. pons/quantized.h says what lies where.

   Loops are built once per instruction set. Uses cpu/lanes.h. */
#ifndef CPU_QUANTIZED_H
#define CPU_QUANTIZED_H
#include "backends/cpu/lanes.h"

/* What a code stands for: a number of 1 to 6 or 8 bits, or a float of 4 or 8. */
enum { CODES_E2M1 = 0, CODES_E4M3 = 7, CODE_KINDS = 9 };
static inline int codes_of(quantization q) {
  return q.mode == QUANTIZED_AFFINE ? q.bits : q.bits == 4 ? CODES_E2M1 : CODES_E4M3;
}
enum { GROUP_MOST = 128, GROUP_LEAST = 16 };

/* A row of codes times `rows` rows of x, 1 or DOT_ROWS: out[r] += sum over groups of
   scale * (codes . x) + bias * (sum of x). */
enum { DOT_ROWS = 4 };
typedef struct quantized_dot {
  const uint32_t *words;
  int64_t groups;
  int group_size;
  const float *scales, *biases; /* per group; biases NULL: none */
  const float *x;
  int64_t x_row;
  const float *sums; /* of x, per row and group; only for biases */
  int64_t sums_row;
  float *out;
} quantized_dot;

/* The same for numbers of 2, 4 or 8 bits, which do not cross words. A register holds a word per lane, code i of each is
   where it is but for a power of two, and that is taken out of x, whose element i for that word lies in the same lane:

       x[(v * codes + i) * lanes + lane] = x(codes * (v * lanes + lane) + i) * 2^(-bits * i),  codes = 32 / bits

   so that a code costs a mask and a conversion. The last one is shifted, since its highest bit would be a sign. */
enum { WORD_ROWS = 3 };
typedef struct quantized_words {
  const uint32_t *words;
  int64_t count;                /* of words, a multiple of the lanes */
  int64_t group_words;
  const float *scales, *biases; /* per group */
  int64_t rows;                 /* of x, 1 .. WORD_ROWS: from four on the conversion is shared by enough of them */
  const float *x;
  int64_t x_row;
  const float *sums;            /* of x, per row and group */
  int64_t sums_row;
  float *out;                   /* out[r * out_row] = */
  int64_t out_row;
} quantized_words;

/* A row of codes of 4 bits times one of x, which is made of whole numbers of a unit that is a power of two, per BYTE_CODES elements:
   their greatest has 22 bits and more, so that what is lost is as much as a product with it loses. Each is three signed bytes, the
   highest first, of a register of codes those of the even ones, then those of the odd ones. Products of bytes with codes, and sums
   of BYTE_CODES of them, are exact. */
enum { BYTE_CODES = 64, BYTES_AHEAD = 4096 };
typedef struct quantized_bytes {
  const uint32_t *words;
  int64_t count;                /* of codes, a multiple of BYTE_CODES and of groups */
  int group_size;               /* 32 and more */
  const float *scales, *biases; /* per group */
  const int8_t *x;              /* as arrange_bytes has made it, with the units */
  const float *units;
  const float *sums;            /* of x, per group */
  int64_t ahead;                /* so many bytes behind what is read codes are fetched: BYTES_AHEAD, or 0 where there are none */
} quantized_bytes;
static inline int64_t bytes_of_row(int64_t count) { return 3 * round_up(count, 128); }

/* Neighbouring groups of codes. */
typedef struct quantized_groups {
  const uint32_t *words;
  int64_t groups;
  int group_size;
  const float *scales, *biases; /* per group; biases NULL: none */
} quantized_groups;

typedef struct quantized_loops {
  void (*values[CODE_KINDS])(const quantized_groups *q, float *values);
  void (*dot_one[CODE_KINDS])(const quantized_dot *d);
  void (*dot_many[CODE_KINDS])(const quantized_dot *d); /* DOT_ROWS */
  int word_lanes;
  void (*dot_words)(const quantized_words *d, int bits);
  void (*arrange)(const float *x, int64_t n, int bits, float *to); /* n a multiple of lanes and codes */
  /* A row of n elements, a multiple of BYTE_CODES, into bytes_of_row of n of them; false: it has infinities or NaN. NULL: there are no such loops. */
  bool (*arrange_bytes)(const float *x, int64_t n, int8_t *bytes, float *units);
  float (*dot_bytes)(const quantized_bytes *d);
  int64_t rows_by_words; /* of x, from 2 on, for which words are faster than bytes */
  void (*from_e4m3)(const uint8_t *codes, int64_t n, float *values);
  void (*from_e8m0)(const uint8_t *codes, int64_t n, float *values);
  void (*to_e4m3)(const float *values, int64_t n, uint8_t *codes);
  /* The nearest code, the smaller on a tie. */
  void (*to_e2m1)(const float *values, int64_t n, uint8_t *codes);
  /* round((w - bias) / scale), from 0 to top */
  void (*to_numbers)(const float *w, int64_t n, float scale, float bias, float top, uint8_t *codes);
  void (*range)(const float *w, int64_t n, float *least, float *greatest); /* n a multiple of 16 */
} quantized_loops;
extern const quantized_loops quantized_loops_baseline, quantized_loops_avx2, quantized_loops_avx512,
    quantized_loops_avx512vnni;
const quantized_loops *cpu_quantized_loops(void);

/* n scales from element `first` of memory as floats: they are of dtype d, or bytes that the mode tells. */
void cpu_scales(quantization q, pons_dtype d, const void *scales, int64_t first, int64_t n, float *to);
#endif
