/* lanes.c: what lanes are, and the loops over them of the instruction set in use. Uses cpu/lanes.h,
   cpu/cpu.h. */
#include "backends/cpu/lanes.h"
#include "backends/cpu/calls.h"
#include "backends/cpu/conv_channels.h"
#include "backends/cpu/cpu.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/fft_plan.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/program.h"
#include "backends/cpu/quantized.h"
#include <math.h>

static int isa_index(void) {
  const char *name = cpu_isa(); /* asked for every row: told apart by letters */
  return name[0] != 'a' ? 0 : name[3] != '5' ? 1 : name[6] ? 3 : 2;
}

#ifdef PONS_HAVE_AVX2
#define AVX2(x) &x##_avx2
#else
#define AVX2(x) NULL
#endif
#ifdef PONS_HAVE_AVX512
#define AVX512(x) &x##_avx512
#else
#define AVX512(x) NULL
#endif
#define CHOOSE_OF(type, function, last)                                                     \
  const type *function(void) {                                                              \
    static const type *const loops[] = {&type##_baseline, AVX2(type), AVX512(type), last};  \
    return loops[isa_index()];                                                              \
  }
#define CHOOSE(type, function) CHOOSE_OF(type, function, AVX512(type))
#ifdef PONS_HAVE_AVX512
CHOOSE_OF(quantized_loops, cpu_quantized_loops, &quantized_loops_avx512vnni)
#else
CHOOSE(quantized_loops, cpu_quantized_loops)
#endif
CHOOSE(lane_loops, cpu_lanes)
CHOOSE(reduce_loops, cpu_reduce_loops)
CHOOSE(softmax_loops, cpu_softmax_loops)
CHOOSE(norm_loops, cpu_norm_loops)
CHOOSE(random_loops, cpu_random_loops)
CHOOSE(hadamard_loops, cpu_hadamard_loops)
CHOOSE(scan_loops, cpu_scan_loops)
CHOOSE(copy_loops, cpu_copy_loops)
CHOOSE(pair_loops, cpu_pair_loops)
CHOOSE(gemm_loops, cpu_gemm_loops)
CHOOSE(thin_loops, cpu_thin_loops)
CHOOSE(fft_loops, cpu_fft_loops)
CHOOSE(conv_loops, cpu_conv_loops)

lane lane_of(pons_dtype d) {
  switch (dtype_kind_of(d)) {
    case KIND_BOOL:
    case KIND_UNSIGNED: return LANE_UINT;
    case KIND_SIGNED: return LANE_INT;
    case KIND_FLOAT: return d == PONS_FLOAT64 ? LANE_DOUBLE : LANE_FLOAT;
    case KIND_COMPLEX: break;
  }
  return d == PONS_COMPLEX128 ? LANE_WIDE_COMPLEX : LANE_COMPLEX;
}

bool lane_is_direct(pons_dtype d) {
  return d == PONS_FLOAT32 || d == PONS_FLOAT64 || d == PONS_INT64 || d == PONS_UINT64 || dtype_is_complex(d);
}

size_t lane_size(lane k) {
  return k == LANE_FLOAT ? sizeof(float) : k == LANE_WIDE_COMPLEX ? sizeof(complex128) : sizeof(double);
}

pons_dtype lane_dtype(lane k) {
  static const pons_dtype dtypes[LANE_KINDS] = {PONS_FLOAT32, PONS_FLOAT64,   PONS_INT64,
                                                PONS_UINT64,  PONS_COMPLEX64, PONS_COMPLEX128};
  return dtypes[k];
}

static lane_value extreme(pons_dtype d, bool greatest) {
  int bits = d == PONS_BOOL ? 1 : 8 * (int)pons_dtype_size(d);
  float infinity = greatest ? INFINITY : -INFINITY;
  switch (lane_of(d)) {
    case LANE_FLOAT: return (lane_value){.f = infinity};
    case LANE_DOUBLE: return (lane_value){.d = (double)infinity};
    case LANE_INT: return (lane_value){.i = greatest ? INT64_MAX >> (64 - bits) : INT64_MIN >> (64 - bits)};
    case LANE_UINT: return (lane_value){.u = greatest ? UINT64_MAX >> (64 - bits) : 0};
    case LANE_COMPLEX: return (lane_value){.c = {infinity, infinity}};
    default: return (lane_value){.wide = {(double)infinity, (double)infinity}};
  }
}

lane_value lane_identity(int reduce_kind, pons_dtype d) {
  bool one = reduce_kind == REDUCE_PROD;
  switch (reduce_kind) {
    case REDUCE_MIN: return extreme(d, true);
    case REDUCE_MAX: return extreme(d, false);
    case REDUCE_AND: return (lane_value){.u = 1};
    case REDUCE_OR: return (lane_value){.u = 0};
  }
  switch (lane_of(d)) {
    case LANE_FLOAT: return (lane_value){.f = one};
    case LANE_DOUBLE: return (lane_value){.d = one};
    case LANE_INT: return (lane_value){.i = one};
    case LANE_UINT: return (lane_value){.u = one};
    case LANE_COMPLEX: return (lane_value){.c = {one, 0}};
    default: return (lane_value){.wide = {one, 0}};
  }
}

void lanes_put(pons_dtype d, const void *lanes, int64_t n, void *to, bool past_cache) {
  lane_value tile[TILE];
  if (!past_cache) {
    cpu_lanes()->store[d](lanes, n, to, 1);
    return;
  }
  if (!lane_is_direct(d)) {
    cpu_lanes()->store[d](lanes, n, tile, 1);
    lanes = tile;
  }
  cpu_copy_past_cache(to, lanes, (size_t)n * pons_dtype_size(d));
}

/* ---- rows ---- */

const void *row_part(pons_dtype d, const void *row, int64_t stride, int64_t at, int64_t count, void *kept, bool first) {
  const void *from = element(row, d, at * stride);
  if (stride == 1 && row_form(d) == d) return from;
  if (!first) return kept;
  if (row_form(d) == d) tile_copy(kept, from, stride, count, pons_dtype_size(d));
  else cpu_lanes()->load[d](from, stride, count, kept);
  return kept;
}

int64_t rows_ahead(const operand *x) {
  enum { LEAST = 4096 };
  const int64_t bytes = x->shape[x->ndim - 1] * (int64_t)pons_dtype_size(x->dtype);
  if (!bytes || !shape_is_row_major(x->ndim, x->shape, x->strides)) return 0;
  return round_up(LEAST, bytes);
}

/* ---- whole operands ---- */

typedef struct lanes_job {
  pons_dtype dtype;
  char *elements; /* one side */
  char *lanes;    /* the other, packed */
  cursor rows;
  int64_t n, stride; /* of a row */
  int64_t count, rows_per_piece;
} lanes_job;

static void load_rows(void *context, int64_t piece) {
  const lanes_job *j = context;
  cursor rows = j->rows;
  int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  int64_t row_size = j->n * (int64_t)lane_size(lane_of(j->dtype));
  cursor_to(&rows, row);
  for (; row < end; row++, cursor_next(&rows))
    cpu_lanes()->load[j->dtype](element(j->elements, j->dtype, rows.offset[0]), j->stride, j->n,
                                j->lanes + row * row_size);
}

void cpu_to_lanes(void *lanes, pons_dtype d, const void *data, int n, const int64_t *shape,
                  const int64_t *strides) {
  int64_t packed[PONS_MAX_NDIM];
  if (lane_is_direct(d)) {
    shape_row_major(n, shape, packed);
    cpu_copy(lanes, packed, data, strides, n, shape, pons_dtype_size(d));
    return;
  }
  lanes_job j = {
      .dtype = d, .elements = (char *)data, .lanes = lanes, .rows = cursor_new(n, shape, 1, strides)};
  j.n = cursor_take_last(&j.rows, &j.stride);
  j.count = cursor_size(&j.rows);
  if (!j.count) return;
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), load_rows, &j);
}

const void *cpu_packed_lanes(const operand *x, const char *op, buffer **held, error **why) {
  if (lane_is_direct(x->dtype)) return cpu_packed(x, op, held, why);
  *held = buffer_new((size_t)operand_size(x) * lane_size(lane_of(x->dtype)), op, why);
  if (!*held) return NULL;
  cpu_to_lanes(buffer_data(*held), x->dtype, x->data, x->ndim, x->shape, x->strides);
  return buffer_data(*held);
}

static void store_tiles(void *context, int64_t piece) {
  const lanes_job *j = context;
  int64_t at = piece * j->n, n = smaller(j->count - at, j->n);
  cpu_lanes()->store[j->dtype](j->lanes + at * (int64_t)lane_size(lane_of(j->dtype)), n,
                               element(j->elements, j->dtype, at), 1);
}

void cpu_from_lanes(pons_dtype d, void *data, const void *lanes, int64_t count) {
  lanes_job j = {.dtype = d, .elements = data, .lanes = (char *)lanes, .n = 32 * TILE, .count = count};
  parallel_for(pieces_of(count, j.n), store_tiles, &j);
}
