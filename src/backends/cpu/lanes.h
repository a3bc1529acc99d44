/* lanes.h: elements of any dtype as what they are computed in, so that fifteen dtypes need six sorts of
   loop.

       float16, bfloat16, float32 -> float     bool, uint8 .. uint64 -> uint64_t     complex64 -> pair of floats
       float64 -> double                       int8 .. int64 -> int64_t              complex128 -> pair of doubles

   Tiles of TILE lanes live on the stack, packed, in room for the largest lanes. The loops are built once per
   instruction set. Uses device/, ops/params.h. */
#ifndef CPU_LANES_H
#define CPU_LANES_H
#include "device/device.h"
#include "ops/params.h"

typedef enum lane { LANE_FLOAT, LANE_DOUBLE, LANE_INT, LANE_UINT, LANE_COMPLEX, LANE_WIDE_COMPLEX, LANE_KINDS } lane;
typedef struct complex64 {
  float re, im;
} complex64;
typedef struct complex128 {
  double re, im;
} complex128;
typedef union lane_value {
  float f;
  double d;
  int64_t i;
  uint64_t u;
  complex64 c;
  complex128 wide;
} lane_value;

enum { TILE = 1024 };

typedef struct lane_loops {
  /* n elements from `from`, `stride` elements apart, to lanes and back. Integers wrap; bool is "not zero". */
  void (*load[PONS_DTYPE_COUNT])(const void *from, int64_t stride, int64_t n, void *lanes);
  void (*store[PONS_DTYPE_COUNT])(const void *lanes, int64_t n, void *to, int64_t stride);
  void (*truth[LANE_KINDS])(const void *lanes, int64_t n, uint64_t *truth); /* 0 or 1; other memory */
} lane_loops;

enum { REDUCE_WIDE = 32 };
typedef struct reduce_loops { /* kinds from REDUCE_SUM on; AND and OR are MIN and MAX of truths */
  /* *result = op over lanes[0 .. n), starting from the identity */
  void (*fold[REDUCE_KINDS][LANE_KINDS])(const void *lanes, int64_t n, void *result);
  /* The same in several calls: goes on from parts[0 .. REDUCE_WIDE), identities at first; n is a multiple of REDUCE_WIDE but in the last
     one; then the end. */
  void (*fold_on[REDUCE_KINDS][LANE_KINDS])(const void *lanes, int64_t n, void *parts);
  void (*fold_end[REDUCE_KINDS][LANE_KINDS])(void *parts, void *result);
  /* into[j] = op(into[j], lanes[r * row_stride + j]) for each row r in order */
  void (*columns[REDUCE_KINDS][LANE_KINDS])(const void *lanes, int64_t row_stride, int64_t rows, int64_t n,
                                            void *into);
} reduce_loops;

enum { ROW_BLOCK = 32 };
/* What is left to do of a row: y = exps * factor, past the caches. */
typedef struct softmax_row {
  const float *exps;
  float factor;
  char *y;
} softmax_row;
typedef struct softmax_loops { /* of a row's part, n <= KEPT; by dtype: elements of float32, bfloat16 */
  float (*greatest[PONS_DTYPE_COUNT])(const void *x, int64_t n); /* NaN left out; of bfloat16 it may be the greatest */
  /* exps = exp(x - shift), and their sum; x <= shift. Of bfloat16 as exactly as that is: 2^(x log2(e) - shift), where `shift` is the
     integer next to that of the greatest, and below 2^11. In `exps` there is room for whole blocks, whose order is that of `finish`.
     Memory `ahead` of x will be read next. */
  float (*exps[PONS_DTYPE_COUNT])(const void *x, int64_t n, float shift, int64_t ahead, float *exps);
  /* y = exps * factor; past the caches: y is a multiple of 64, and cpu_end_past_cache comes after the last */
  void (*finish[PONS_DTYPE_COUNT])(const float *exps, int64_t n, float factor, void *y, bool past_cache);
  /* Both, of a row and of the one before it; n a multiple of ROW_BLOCK */
  float (*exps_and_finish[PONS_DTYPE_COUNT])(const void *x, int64_t n, float shift, int64_t ahead, float *exps, const softmax_row *before);
  float (*exp_float)(const float *x, int64_t n, float shift, float *exps); /* in the order of x */
  void (*weights_float)(const float *x, int64_t n, float shift, float *exps); /* without the sum; x is hardly above shift */
  double (*exp_double)(const double *x, int64_t n, double shift, double *exps);
  /* The way back: x = weights (x - sum of weights x) */
  void (*back_float)(const float *weights, int64_t n, float *x);
  void (*scale_float)(float *x, int64_t n, float factor);
  void (*scale_double)(double *x, int64_t n, double factor);
} softmax_loops;

/* y = (x - mean) factor w + b; b may be NULL. Memory `ahead` of x will be read next. Past the caches: y is a multiple of
   64, and cpu_end_past_cache comes after the last; float32, bfloat16 alone. */
typedef struct norm_part {
  const void *x, *weight, *bias;
  int64_t n, ahead;
  double mean, factor;
  void *to;
  bool past_cache;
} norm_part;
/* The way back: what a row of x and of g gives, with the sums of pass one over n as `level` and `along`. */
typedef struct norm_back {
  const float *x, *g, *weight;
  int64_t n;
  float mean, factor, level, along;
  float *dx, *dw, *db; /* dw and db are added to; db: may be NULL */
} norm_back;
typedef struct norm_loops { /* of a row's part; by dtype: float32, float64 */
  double (*sum[PONS_DTYPE_COUNT])(const void *x, int64_t n);
  double (*squares[PONS_DTYPE_COUNT])(const void *x, int64_t n, double mean); /* sum of (x - mean)^2 */
  /* And bfloat16, whose mean is 0 if there is no b. */
  void (*finish[PONS_DTYPE_COUNT])(const norm_part *p);
  void (*moments)(const uint16_t *x, int64_t n, double sums[2]); /* of bfloat16: of x, of x^2 */
  void (*back_sums)(const norm_back *b, double sums[2]); /* of g w; of g w (x - mean) factor */
  void (*back)(const norm_back *b); /* dx = factor (g w - level - (x - mean) factor along) */
} norm_loops;

typedef struct random_loops {
  /* The words of the counters (first + i, second + i), i < n */
  void (*threefry)(const uint32_t key[2], uint32_t first, uint32_t second, int64_t n, uint32_t *firsts,
                   uint32_t *seconds);
} random_loops;

typedef struct hadamard_loops { /* x = scale * H x in place, n = m 2^k, in rows of 2^k; signs: m by m */
  void (*transform_float)(float *x, int m, int64_t n, float scale, const float *signs);
  void (*transform_double)(double *x, int m, int64_t n, float scale, const float *signs);
} hadamard_loops;

/* Of lanes; goes on from *carry; with `exclusive` each result is what was before its element. `to` may be `from`. */
typedef void scan_loop(const void *from, void *to, int64_t n, bool exclusive, void *carry);
typedef struct scan_loops { /* of floats and doubles */
  scan_loop *sum[LANE_KINDS];
  scan_loop *sum_past_cache[LANE_KINDS]; /* `to` is a multiple of 32, and cpu_end_past_cache comes after the last */
} scan_loops;

/* to[i][k] = from[k][i] for i and k below the elements of a cache line (64 bytes); rows in elements. Past the caches:
   `to` and its rows begin at multiples of 32 bytes, and cpu_end_past_cache comes after the last block. */
typedef void turn_block(void *to, int64_t to_row, const void *from, int64_t from_row, bool past_cache);
typedef struct copy_loops {
  turn_block *turn[9]; /* by size of an element; NULL: there is none */
  /* So many times 64 bytes past the caches; `to` is a multiple of 64. */
  void (*lines_past_cache)(void *to, const void *from, int64_t lines);
} copy_loops;

/* Of float32 and packed: out = second(first(a, b), c), each rounded by itself; b or c may be one number. `take` takes its first
   operand away from the other; where there is no second, c is not looked at. NULL: there is none. `out` as in cpu/loops.h. */
typedef enum pair_row { PAIR_none, PAIR_add, PAIR_subtract, PAIR_multiply, PAIR_take, PAIR_ROWS } pair_row;
typedef struct pair_loops {
  void (*run[PAIR_ROWS][PAIR_ROWS][2][2])(void *out, const void *a, const void *b, const void *c,
                                          int64_t n); /* first, second; is b packed, is c? */
} pair_loops;

/* x_baseline, x_avx2, ...: -DISA tells which in an .isa.c file. */
#define ISA_JOIN_NAMES(x, isa) x##_##isa
#define ISA_JOIN(x, isa) ISA_JOIN_NAMES(x, isa)
#define ISA_NAME(x) ISA_JOIN(x, ISA)
#define DECLARE_LOOPS(type) extern const type type##_baseline, type##_avx2, type##_avx512;
DECLARE_LOOPS(lane_loops)
DECLARE_LOOPS(reduce_loops)
DECLARE_LOOPS(softmax_loops)
DECLARE_LOOPS(norm_loops)
DECLARE_LOOPS(random_loops)
DECLARE_LOOPS(hadamard_loops)
DECLARE_LOOPS(scan_loops)
DECLARE_LOOPS(copy_loops)
DECLARE_LOOPS(pair_loops)
#undef DECLARE_LOOPS

/* Those of the instruction set in use. */
const lane_loops *cpu_lanes(void);
const reduce_loops *cpu_reduce_loops(void);
const softmax_loops *cpu_softmax_loops(void);
const norm_loops *cpu_norm_loops(void);
const random_loops *cpu_random_loops(void);
const hadamard_loops *cpu_hadamard_loops(void);
const scan_loops *cpu_scan_loops(void);
const copy_loops *cpu_copy_loops(void);
const pair_loops *cpu_pair_loops(void);

lane lane_of(pons_dtype d);
/* Are lanes of d the same bytes as its elements, so that contiguous ones need no load? */
bool lane_is_direct(pons_dtype d);
size_t lane_size(lane k);
pons_dtype lane_dtype(lane k); /* whose elements are such lanes */
/* `n` elements as lanes: where they are if that will do, else loaded into `tile`. */
static inline const void *lanes_at(pons_dtype d, const void *from, int64_t stride, int64_t n, void *tile) {
  if (stride == 1 && lane_is_direct(d)) return from;
  cpu_lanes()->load[d](from, stride, n, tile);
  return tile;
}
/* n <= TILE lanes as elements from `to` on, past the caches if told so. */
void lanes_put(pons_dtype d, const void *lanes, int64_t n, void *to, bool past_cache);
/* Loops over rows of floats take `count` <= KEPT neighbouring elements at a time, halves as lanes. Elements from `at`
   on of a row as that: where they lie, or in `kept`, where they stay for the passes that follow. */
enum { KEPT = 8 * TILE };
static inline pons_dtype row_form(pons_dtype d) { return pons_dtype_size(d) == 2 ? PONS_FLOAT32 : d; }
const void *row_part(pons_dtype d, const void *row, int64_t stride, int64_t at, int64_t count, void *kept,
                     bool first);
/* How far ahead of what is read lies what will be read next, in bytes: some rows, if they follow each other. */
int64_t rows_ahead(const operand *x);
/* What a reduction of elements of d starts from; REDUCE_AND and REDUCE_OR: that of truths. */
lane_value lane_identity(int reduce_kind, pons_dtype d);
/* A strided operand as packed lanes, and `count` packed lanes as elements; shared by the threads. */
void cpu_to_lanes(void *lanes, pons_dtype d, const void *data, int n, const int64_t *shape,
                  const int64_t *strides);
/* x as lanes in row-major order: its own memory if it is that, else in *held, which the caller releases (NULL is fine).
   NULL and *why if there is no memory. */
const void *cpu_packed_lanes(const operand *x, const char *op, buffer **held, error **why);
void cpu_from_lanes(pons_dtype d, void *data, const void *lanes, int64_t count);
/* Element `index` of memory of dtype d, with its size */
static inline void *element(const void *data, pons_dtype d, int64_t index) {
  return (char *)data + index * (int64_t)pons_dtype_size(d);
}
#endif
