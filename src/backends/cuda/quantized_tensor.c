/* quantized_tensor.c: launches quantized_tensor.kc: "QuantizedMatmul" and "GatherQMM" of float16 and bfloat16 and codes that are
   transposed, for up to MOST_ROWS rows of x. What does not begin where 16 bytes can be copied, which shows when it is launched, goes to
   the kernels for all. Uses program.h, gpu/quantized_gpu.h. */
#include "backends/cuda/program.h"
#include "backends/gpu/quantized_gpu.h"

extern const char kernel_quantized_tensor[];

enum { TILE = 16, ROW_TILE = 8, MOST_ROWS = 128, MOST_PRODUCTS = 65535, COPIED = 16, MOST_K = 1 << 28 };

/* How a product is cut; the kernel says what these are. */
typedef struct cut {
  int warps, slices, tiles, row_tiles, x_rows, chunk, stages, at_once;
  int residents; /* groups on a multiprocessor at once, for which registers are given up */
  int code_stride, x_stride;
  int columns, rows; /* of a group */
  int factor_bytes;  /* of the scales, or biases, of a row and chunk */
  int shared_bytes;
} cut;

/* Bytes from a row to the next, so that of eight rows, of each of which four lanes read so many bytes in all, what is read at once lies
   in different banks. */
static int spread(int row, int of_four_lanes) {
  const bool whole = of_four_lanes == 16 || of_four_lanes == 32 || of_four_lanes == 64;
  const int step = whole ? of_four_lanes : COPIED;
  return row % (2 * step) == 0 ? row + step : row;
}

static void set_shared_bytes(cut *c, const quantized_product *p) {
  const bool affine = p->q.mode == QUANTIZED_AFFINE;
  const int unit = p->q.group_size >= 64 ? 16 : 8, groups = c->chunk / p->q.group_size;
  c->columns = c->warps * c->tiles * TILE;
  c->rows = c->row_tiles * ROW_TILE;
  c->code_stride = spread(c->chunk * p->q.bits / 8, 4 * unit * p->q.bits / 8);
  c->x_stride = c->chunk * 2 + (unit == 16 ? 16 : 64);
  c->factor_bytes = groups * (int)pons_dtype_size(p->parts[1].dtype);
  const int of_x = affine && c->warps > 1 ? c->slices * groups * c->rows * (int)sizeof(float) : 0;
  const int stage = c->slices * (c->x_rows * c->x_stride + c->columns * (c->code_stride + (affine ? 2 : 1) * c->factor_bytes));
  const int sums = c->slices * c->rows * (c->columns + 4) * (int)sizeof(float);
  const int64_t turns = ceiling(ceiling(p->k, c->chunk), c->slices);
  const int held = of_x + stage * (int)(turns < c->stages ? turns : c->stages);
  c->shared_bytes = held > sums ? held : sums;
}

/* Shared memory that every device has. */
static int room(void) {
  int least = INT32_MAX;
  for (int i = 0; i < cuda_count(); i++)
    if (cuda_card_at(i)->shared_on_request < least) least = cuda_card_at(i)->shared_on_request;
  return least;
}

static int64_t groups_of(const cut *c, const quantized_product *p) {
  return ceiling(p->n, c->warps * c->tiles * TILE) * ceiling(p->m, c->row_tiles * ROW_TILE) * p->count;
}

/* Up to 8 rows of x: the warps of a group have the same columns and go along k, and each reads x for itself. Chosen on an H100 among
   what registers and shared memory allow. */
static void cut_few_rows(cut *c, const quantized_product *p, int multiprocessors) {
  const bool light = p->q.bits == 4 && p->q.group_size <= 64; /* two groups at once are not more than the registers there are */
  if (p->m > 2) c->tiles = 2, c->chunk = 128;                 /* x is read less often, and shared memory left for more groups */
  if (c->tiles == 1) c->residents = light ? 3 : 4, c->at_once = light ? 2 : 1;
  while (c->x_rows < p->m) c->x_rows *= 2;
  const bool few = groups_of(c, p) < c->residents * multiprocessors;
  if (few && (c->tiles == 2 || !light)) c->slices *= 2, c->residents /= 2;
  const int64_t chunks = ceiling(p->k, c->chunk);
  c->slices = (int)ceiling(chunks, ceiling(chunks, c->slices)); /* as few as take as many turns */
}

/* More are shared by warps that have columns side by side, as long as groups are enough for about all of the device. */
static void cut_more_rows(cut *c, const quantized_product *p, int multiprocessors) {
  c->row_tiles = p->m > 2 * ROW_TILE ? 4 : 2;
  c->x_rows = c->row_tiles * ROW_TILE;
  c->warps = 8, c->slices = 1, c->chunk = 128, c->stages = 3;
  while (c->warps > 2 && 10 * groups_of(c, p) < 9 * multiprocessors) c->warps /= 2, c->slices *= 2;
}

static cut cut_of(const quantized_product *p, int multiprocessors) {
  cut c = {.warps = 1, .slices = 8, .tiles = 1, .row_tiles = 1, .x_rows = 1, .stages = 2, .at_once = 2, .residents = 2};
  c.chunk = p->q.bits > 4 || (p->k % 256 != 0 && p->k % 128 == 0) ? 128 : 256; /* whole ones have their scales at once */
  if (p->m <= ROW_TILE)
    cut_few_rows(&c, p, multiprocessors);
  else
    cut_more_rows(&c, p, multiprocessors);
  set_shared_bytes(&c, p);
  while (c.residents * c.shared_bytes > room() && c.stages > 2) c.stages--, set_shared_bytes(&c, p);
  while (c.shared_bytes > room() && c.slices > 1) c.slices /= 2, set_shared_bytes(&c, p);
  return c;
}

static const char *refuses(const quantized_product *p) {
  const operand *x = p->x;
  const int n = x->ndim;
  if (x->dtype != PONS_FLOAT16 && x->dtype != PONS_BFLOAT16) return "it is for float16 and bfloat16";
  if (!p->transpose) return "codes are not transposed";
  if (p->m > MOST_ROWS) return "there are many rows: a product of values is faster";
  if (p->count > MOST_PRODUCTS) return "there are too many products";
  if (p->k > MOST_K) return "rows are too long";
  if (p->k * p->q.bits % (8 * COPIED) != 0) return "rows of codes are not of whole 16 bytes";
  if (gpu_quantized_rows(p).n > 1) return "rows of x lie in more than one stride";
  if (x->strides[n - 1] != 1) return "rows of x do not lie in order";
  for (int d = 0; d < n - 1; d++)
    if (x->shape[d] > 1 && x->strides[d] % (COPIED / 2) != 0) return "rows of x are not aligned to 16 bytes";
  const cut c = cut_of(p, 0);
  return cuda_refuses_matrix_unit(c.shared_bytes);
}

static void define_cut(gpu_call *call, const quantized_product *p, const cut *c) {
  const int held = c->factor_bytes;
  bool wide = p->k % c->chunk == 0 && (held == 4 || held == 8 || held == 16);
  for (int i = 1; i < (p->q.mode == QUANTIZED_AFFINE ? 3 : 2); i++) wide = wide && gpu_is_aligned(&p->parts[i], held);
  cuda_define_half(call, p->x->dtype);
  gpu_define_text(call, "ONE", p->x->dtype == PONS_FLOAT16 ? "0x3c00u" : "0x3f80u");
  gpu_define(call, "S_SIZE", (int64_t)pons_dtype_size(p->parts[1].dtype));
  if (wide) gpu_define_text(call, "WIDE_S", "");
  gpu_define(call, "WARPS", c->warps);
  gpu_define(call, "SLICES", c->slices);
  gpu_define(call, "TILES", c->tiles);
  gpu_define(call, "ROW_TILES", c->row_tiles);
  gpu_define(call, "X_ROWS", c->x_rows);
  gpu_define(call, "CHUNK", c->chunk);
  gpu_define(call, "STAGES", c->stages);
  gpu_define(call, "AT_ONCE", c->at_once);
  gpu_define(call, "RESIDENTS", c->residents);
  gpu_define(call, "CODE_STRIDE", c->code_stride);
  gpu_define(call, "X_STRIDE", c->x_stride);
  call->group[0] = 32 * c->warps * c->slices;
  call->groups[0] = ceiling(p->n, c->columns);
  call->groups[1] = ceiling(p->m, c->rows);
  call->groups[2] = p->count;
  call->shared_bytes = c->shared_bytes;
}

static error *multiply(const quantized_product *p) {
  const cut c = cut_of(p, cuda_card_at(((const location *)p->out->data)->device)->multiprocessors);
  const gpu_walk rows = gpu_quantized_rows(p);
  gpu_call call = gpu_call_for(&gpu_cuda, p->out);
  error *why = gpu_quantized_operands(&call, p, rows.n ? rows.strides[0][0] : 0);
  if (p->count == 1 && !p->lhs) gpu_define_text(&call, "ONE_PRODUCT", "");
  define_cut(&call, p, &c);
  return why ? why : gpu_run(&call, kernel_quantized_tensor, "quantized_tensor");
}

static bool lies_aligned(const quantized_product *p) {
  return gpu_is_aligned(p->x, COPIED) && gpu_is_aligned(&p->parts[0], COPIED);
}

const char *cuda_refuses_quantized_matmul(const launch *l) {
  const char *why = gpu_refuses_quantized_matmul(&gpu_cuda, l);
  if (why) return why;
  quantized_product p = gpu_quantized_product(l);
  gpu_quantized_join_rows(&p);
  return refuses(&p);
}

error *cuda_quantized_matmul(const launch *l) {
  quantized_product p = gpu_quantized_product(l);
  gpu_quantized_join_rows(&p);
  return lies_aligned(&p) ? multiply(&p) : gpu_quantized_matmul(&gpu_cuda, l);
}

const char *cuda_refuses_gather_qmm(const launch *l) {
  const char *why = gpu_refuses_gather_qmm(&gpu_cuda, l);
  if (why) return why;
  const quantized_product p = gpu_gathered_product(l);
  return refuses(&p);
}

error *cuda_gather_qmm(const launch *l) {
  const quantized_product p = gpu_gathered_product(l);
  return lies_aligned(&p) && !gpu_quantized_is_grouped(&gpu_cuda, &p) ? multiply(&p) : gpu_gather_qmm(&gpu_cuda, l);
}
