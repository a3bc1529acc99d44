/* quantized_gpu.c: launches quantized.kc: "Quantize" in both directions, "QuantizedMatmul" and "GatherQMM". Few rows are
   multiplied by the codes as they lie; else the values are written to memory as floats and multiplied as any matrix. Uses
   quantized_gpu.h, matmul_gpu.h, typing.h. */
#include "backends/gpu/matmul_gpu.h"
#include "backends/gpu/quantized_gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_quantized[];

/* LEAST_TEAMS: of 32 threads, that keep a large device's memory busy. */
enum { FEW_ROWS = 16, MOST_PRODUCTS = 65535, LANES = 32, TEAMS = 4, LEAST_TEAMS = 2048 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

static void define_format(gpu_call *c, quantization q, pons_dtype scales) {
  gpu_define(c, "BITS", q.bits);
  gpu_define(c, "GROUP_SIZE", q.group_size);
  gpu_define_dtype(c, "S", scales);
  if (q.mode == QUANTIZED_AFFINE) gpu_define_text(c, "AFFINE", "");
  if (q.mode == QUANTIZED_NVFP4) gpu_define_text(c, "NVFP4", "");
  gpu_define_text(c, "SCALE(s)",
                  q.mode == QUANTIZED_AFFINE  ? "S_load(s)"
                  : q.mode == QUANTIZED_NVFP4 ? "from_e4m3(s)"
                                              : "from_e8m0(s)");
}

/* Over the matrices of codes, scales and biases. */
static gpu_walk matrices_of(const operand *parts, int count) {
  const int64_t *strides[3] = {parts[0].strides, parts[1].strides, parts[count - 1].strides};
  return gpu_walk_of(parts->ndim - 2, parts->shape, 3, strides);
}

static bool matrix_is_row_major(const operand *x) {
  const int n = x->ndim;
  return n >= 2 && shape_is_row_major(2, x->shape + n - 2, x->strides + n - 2);
}

/* Codes that a thread reads, VALUES and WORDS of the kernel. */
static int values_at_once(quantization q) { return q.bits == 8 || q.group_size == 16 ? 16 : 32; }

static void define_wide_codes(gpu_call *c, quantization q, const operand *words) {
  const int at_once = values_at_once(q) * q.bits / 32;
  int wide = 4;
  while (wide > 1 && (at_once % wide != 0 || !gpu_is_aligned(words, 4 * wide))) wide /= 2;
  gpu_define(c, "WIDE_CODES", wide);
}

/* ---- values ---- */

/* To `out`, row-major, of any float dtype. `global`: NULL or the scale of all. */
static error *dequantize(const gpu_backend *b, quantization q, const operand *parts, const operand *global,
                         const operand *out) {
  const bool affine = q.mode == QUANTIZED_AFFINE;
  const gpu_walk matrices = matrices_of(parts, affine ? 3 : 2);
  const int64_t count = shape_size(out->ndim, out->shape), n = out->ndim;
  gpu_call c = gpu_call_for(b, out);
  define_format(&c, q, parts[1].dtype);
  gpu_define_dtype(&c, "Y", out->dtype);
  gpu_define_text(&c, "DEQUANTIZE", "");
  if (global) gpu_define_text(&c, "HAS_GLOBAL", "");
  gpu_written(&c, out);
  for (int i = 0; i < (affine ? 3 : 2); i++) gpu_read(&c, &parts[i]);
  if (global) gpu_read(&c, global);
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  gpu_number(&c, out->shape[n - 2] * out->shape[n - 1]);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 2, &matrices);
  define_wide_codes(&c, q, parts);
  const bool wide = gpu_is_aligned(out, GPU_WIDE) && out->dtype != PONS_FLOAT64;
  gpu_define_wide(&c, "Y", out->dtype);
  if (wide) gpu_define_text(&c, "WIDE_Y", "");
  gpu_one_each(&c, wide ? count / values_at_once(q) : count);
  return gpu_run(&c, kernel_quantized, "dequantize");
}

static error *quantize(const gpu_backend *b, const launch *l) {
  const quantize_params *p = l->params;
  const operand *w = l->in;
  const int last = w->ndim - 1;
  const gpu_walk rows = gpu_walk_of(last, w->shape, 1, (const int64_t *const[]){w->strides});
  const int64_t row_groups = w->shape[last] / p->group_size, groups = gpu_walk_size(&rows) * row_groups;
  gpu_call c = gpu_call_for(b, l->out);
  define_format(&c, QUANTIZATION_OF(p), l->out[1].dtype);
  gpu_define_dtype(&c, "X", w->dtype);
  gpu_define_text(&c, "QUANTIZE", "");
  gpu_define(&c, "W_MEMORY", l->n_out);
  if (l->n_in > 1) gpu_define_text(&c, "HAS_GLOBAL", "");
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &l->in[i]);
  gpu_begin_numbers(&c);
  gpu_number(&c, groups);
  gpu_number(&c, row_groups);
  gpu_number(&c, w->strides[last]);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 3, &rows);
  gpu_one_each(&c, groups);
  return gpu_run(&c, kernel_quantized, "quantize");
}

const char *gpu_refuses_quantize(const gpu_backend *b, const launch *l) {
  (void)b;
  const quantize_params *p = l->params;
  if (is_empty(l->in)) return "there are no elements";
  if (!p->dequantize) return NULL;
  for (int i = 0; i < (p->mode == QUANTIZED_AFFINE ? 3 : 2); i++)
    if (!matrix_is_row_major(&l->in[i])) return "matrices must be row-major";
  return NULL;
}

error *gpu_quantize(const gpu_backend *b, const launch *l) {
  const quantize_params *p = l->params;
  const int parts = p->mode == QUANTIZED_AFFINE ? 3 : 2;
  if (!p->dequantize) return quantize(b, l);
  return dequantize(b, QUANTIZATION_OF(p), l->in, l->n_in > parts ? &l->in[parts] : NULL, l->out);
}

/* ---- products ---- */

/* Axes of x that are not rows of one product. */
static int batch_axes(const quantized_product *p) { return p->one_matrix ? 0 : p->x->ndim - 2; }

gpu_walk gpu_quantized_rows(const quantized_product *p) {
  const int first = batch_axes(p);
  return gpu_walk_of(p->x->ndim - 1 - first, p->x->shape + first, 1, (const int64_t *const[]){p->x->strides + first});
}

/* How the work of one product is cut: rows of x and columns of each team of threads, teams that share the k of these. */
static void set_teams(gpu_call *c, const quantized_product *p) {
  const int group = gpu_group_for(c, LANES * TEAMS, LANES * TEAMS), lanes = group < LANES ? group : LANES;
  const int64_t rows = p->m == 1 ? 1 : p->m == 2 ? 2 : p->m <= 4 ? 4 : 8, columns = 4;
  const int64_t teams = ceiling(p->n, columns) * p->count, steps = p->k / (lanes * 16);
  int split = 1;
  while (2 * split <= group / lanes && teams * split < LEAST_TEAMS && 2 * split <= steps) split *= 2;
  const int64_t at_once = group / lanes / split * columns;
  gpu_define(c, "M", rows);
  gpu_define(c, "COLUMNS", columns);
  gpu_define(c, "LANES", lanes);
  gpu_define(c, "SPLIT", split);
  gpu_define(c, "GROUP", group);
  c->group[0] = group;
  c->groups[0] = ceiling(p->n, at_once);
  c->groups[1] = ceiling(p->m, rows);
  c->groups[2] = p->count < MOST_PRODUCTS ? p->count : MOST_PRODUCTS;
}

/* What can be read 16 bytes at a time. */
static void define_widths(gpu_call *c, const quantized_product *p) {
  define_wide_codes(c, p->q, p->parts);
  gpu_define_wide(c, "X", p->x->dtype);
  if (gpu_rows_are_wide(p->x)) gpu_define_text(c, "WIDE_X", "");
}

error *gpu_quantized_operands(gpu_call *c, const quantized_product *p, int64_t own) {
  const bool affine = p->q.mode == QUANTIZED_AFFINE;
  const gpu_walk matrices = matrices_of(p->parts, affine ? 3 : 2), rows = gpu_quantized_rows(p);
  const operand *x = p->x;
  const gpu_walk of_x = gpu_walk_of(batch_axes(p), x->shape, 1, (const int64_t *const[]){x->strides});
  error *why = NULL;
  define_format(c, p->q, p->parts[1].dtype);
  gpu_define_dtype(c, "X", x->dtype);
  gpu_written(c, p->out);
  if (p->lhs) {
    gpu_define_text(c, "INDEXED", "");
    why = gpu_add_faults(c);
  }
  gpu_read(c, x);
  for (int i = 0; i < (affine ? 3 : 2); i++) gpu_read(c, &p->parts[i]);
  if (p->lhs) gpu_read(c, p->lhs), gpu_read(c, p->rhs);
  gpu_begin_numbers(c);
  gpu_number(c, p->m);
  gpu_number(c, p->n);
  gpu_number(c, p->k);
  gpu_number(c, p->count);
  for (int i = 4; i < 8; i++) gpu_number(c, 0);
  gpu_number(c, GPU_OP_GATHER_QMM);
  gpu_number(c, p->lhs ? gpu_index_kind(p->lhs->dtype) : 0);
  gpu_number(c, p->rhs ? gpu_index_kind(p->rhs->dtype) : 0);
  gpu_number(c, gpu_walk_size(&of_x));
  gpu_number(c, gpu_walk_size(&matrices));
  gpu_number(c, x->strides[x->ndim - 1]);
  gpu_number(c, own);
  gpu_number_walk(c, 4, &matrices);
  gpu_number_walk(c, 6, &of_x);
  gpu_number_walk(c, 7, &rows);
  if (p->lhs) {
    const gpu_walk lists = gpu_walk_of(p->lhs->ndim, p->lhs->shape, 2,
                                       (const int64_t *const[]){p->lhs->strides, p->rhs->strides});
    gpu_number_walk(c, 5, &lists);
  }
  return why;
}

static error *multiply_codes(const gpu_backend *b, const quantized_product *p) {
  gpu_call c = gpu_call_for(b, p->out);
  error *why = gpu_quantized_operands(&c, p, 0);
  gpu_define_text(&c, "MULTIPLY", "");
  define_widths(&c, p);
  set_teams(&c, p);
  return why ? why : gpu_run(&c, kernel_quantized, "quantized_vector");
}

/* By a library, if the backend has one that takes it. */
static error *multiply_by_library(const gpu_backend *b, const quantized_product *p, const operand *values) {
  const operand in[] = {*p->x, *values};
  const launch l = {.n_in = 2, .n_out = 1, .in = in, .out = p->out};
  return b->multiply && !p->lhs ? b->multiply(&l) : error_declined();
}

/* The values, of the dtype of x, in memory of their own: as they are written, and as a product takes them, (k, n), the batch in as
   many axes as the result has. */
typedef struct decoded {
  location at;
  operand values, taken;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], taken_shape[PONS_MAX_NDIM],
      taken_strides[PONS_MAX_NDIM];
} decoded;

static void lay_values(decoded *d, const quantized_product *p) {
  const operand *words = p->parts, *x = p->x;
  const int nw = words->ndim, nx = p->lhs ? nw : x->ndim, more = nx - nw;
  d->at = (location){NULL, 0, ((const location *)p->out->data)->device};
  memcpy(d->shape, words->shape, (size_t)nw * sizeof *d->shape);
  d->shape[nw - 1] = p->transpose ? p->k : p->n;
  shape_row_major(nw, d->shape, d->strides);
  d->values = (operand){&d->at, x->dtype, nw, d->shape, d->strides};
  for (int i = 0; i < nx - 2; i++) {
    d->taken_shape[i] = p->lhs ? d->shape[i] : x->shape[i]; /* p->x has them */
    d->taken_strides[i] = i < more ? 0 : d->strides[i - more];
  }
  d->taken_shape[nx - 2] = p->k, d->taken_strides[nx - 2] = d->strides[p->transpose ? nw - 1 : nw - 2];
  d->taken_shape[nx - 1] = p->n, d->taken_strides[nx - 1] = d->strides[p->transpose ? nw - 2 : nw - 1];
  d->taken = (operand){&d->at, x->dtype, nx, d->taken_shape, d->taken_strides};
}

static gpu_product product_of_values(const quantized_product *p, const decoded *d) {
  return (gpu_product){.out = p->out,
                       .a = *p->x,
                       .b = d->taken,
                       .m = p->m,
                       .n = p->n,
                       .k = p->k,
                       .count = p->count,
                       .alpha = 1,
                       .lhs = p->lhs,
                       .rhs = p->rhs,
                       .sorted = p->sorted,
                       .op = GPU_OP_GATHER_QMM};
}

/* Decodes, then multiplies as any matrix. */
static error *multiply_values(const gpu_backend *b, const quantized_product *p) {
  decoded d;
  lay_values(&d, p);
  error *why = gpu_room_take(b, &d.at, p->out, shape_size(d.values.ndim, d.shape), d.values.dtype);
  if (why) return why;
  why = dequantize(b, p->q, p->parts, NULL, &d.values);
  if (!why && (why = multiply_by_library(b, p, &d.taken)) == error_declined())
    why = gpu_multiply(b, product_of_values(p, &d));
  gpu_room_give(b, &d.at);
  return why;
}

/* Are rows so many that all matrices are better decoded, and multiplied group by group? A code that is decoded is some nine times the
   bytes of one that is read. */
enum { LEAST_ROWS_DECODED = 8 };
bool gpu_quantized_is_grouped(const gpu_backend *b, const quantized_product *p) {
  decoded d;
  lay_values(&d, p);
  const gpu_product product = product_of_values(p, &d);
  return p->count >= LEAST_ROWS_DECODED * shape_size(d.taken.ndim - 2, d.taken_shape) &&
         gpu_is_grouped(b, &product);
}

static const char *refuses_product(const launch *l, quantization q) {
  if (is_empty(l->out) || is_empty(&l->in[0]) || is_empty(&l->in[1])) return "there are no elements";
  for (int i = 1; i <= (q.mode == QUANTIZED_AFFINE ? 3 : 2); i++)
    if (!matrix_is_row_major(&l->in[i])) return "matrices must be row-major";
  return NULL;
}

/* Codes with a batch of their own must have that of x. */
const char *gpu_refuses_quantized_matmul(const gpu_backend *b, const launch *l) {
  (void)b;
  const quantized_matmul_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  if (w->ndim > 2 && !shape_equal(x->ndim - 2, x->shape, w->ndim - 2, w->shape)) return "batches differ";
  if (x->ndim < 2) return "x is a vector";
  return refuses_product(l, QUANTIZATION_OF(p));
}

quantized_product gpu_quantized_product(const launch *l) {
  const quantized_matmul_params *params = l->params;
  const operand *x = &l->in[0], *out = l->out;
  quantized_product p = {
      .q = QUANTIZATION_OF(params), .transpose = params->transpose, .x = x, .parts = l->in + 1, .out = out};
  p.m = x->shape[x->ndim - 2];
  p.k = x->shape[x->ndim - 1];
  p.n = out->shape[out->ndim - 1];
  p.count = shape_size(out->ndim - 2, out->shape);
  p.one_matrix = l->in[1].ndim == 2;
  return p;
}

void gpu_quantized_join_rows(quantized_product *p) {
  if (p->one_matrix) p->m *= p->count, p->count = 1;
}

error *gpu_quantized_matmul(const gpu_backend *b, const launch *l) {
  quantized_product p = gpu_quantized_product(l);
  if (!p.transpose || (p.one_matrix ? p.count : 1) * p.m > FEW_ROWS) return multiply_values(b, &p);
  gpu_quantized_join_rows(&p);
  return multiply_codes(b, &p);
}

const char *gpu_refuses_gather_qmm(const gpu_backend *b, const launch *l) {
  (void)b;
  const gather_qmm_params *p = l->params;
  return refuses_product(l, QUANTIZATION_OF(p));
}

quantized_product gpu_gathered_product(const launch *l) {
  const gather_qmm_params *params = l->params;
  const operand *x = &l->in[0], *out = l->out;
  quantized_product p = {.q = QUANTIZATION_OF(params),
                         .transpose = params->transpose,
                         .x = x,
                         .parts = l->in + 1,
                         .out = out,
                         .lhs = &l->in[l->n_in - 2],
                         .rhs = &l->in[l->n_in - 1],
                         .sorted = params->right_sorted};
  p.m = x->shape[x->ndim - 2];
  p.k = x->shape[x->ndim - 1];
  p.n = out->shape[out->ndim - 1];
  p.count = shape_size(p.lhs->ndim, p.lhs->shape);
  return p;
}

error *gpu_gather_qmm(const gpu_backend *b, const launch *l) {
  const quantized_product p = gpu_gathered_product(l);
  return p.transpose && !gpu_quantized_is_grouped(b, &p) ? multiply_codes(b, &p) : multiply_values(b, &p);
}
