/* quantized_matmul_cpu.c: "QuantizedMatmul" and "GatherQMM".

   Few rows of x by transposed codes: each row of codes is turned into numbers in registers and multiplied there, so
   that memory gives codes and scales and nothing else, by words or bytes where that is faster; threads share blocks of the result's columns. Else codes are
   dequantized where a product of matrices packs its operands. Uses cpu/quantized.h, cpu/gemm.h,
   cpu/indices.h. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/indices.h"
#include "backends/cpu/quantized.h"

enum {
  FEW_ROWS = 16,          /* of x, for which codes are not worth a panel */
  CHUNK = 256,            /* groups of a row taken at a time */
  WORD_GROUPS = 1024,     /* the same where codes are taken by words or bytes: of several rows */
  VALUE_GROUPS = 64,      /* whose scales become floats at a time, of many rows */
  BYTES_CHUNK = 4096,     /* elements of x that are bytes in L1 */
  COLUMNS_MOST = 128,     /* of the result in a block */
  PIECE_CODES = 1 << 18   /* codes in a piece, about */
};

typedef struct qmm_job {
  quantization q;
  bool transpose;
  const float *x;         /* matrices (m, k), one behind the other */
  const float *sums;      /* of x per group of k; NULL: not wanted */
  const float *arranged;  /* x as quantized_words wants it; NULL: codes are taken as they come */
  const int8_t *bytes;    /* x as quantized_bytes wants it, with its units, row by row; NULL: as floats */
  const float *units;
  const uint32_t *words;
  const void *scales, *biases;
  pons_dtype scale_dtype;
  cursor matrices;        /* of codes: offsets of words, scales, biases */
  const int64_t *lhs, *rhs; /* GatherQMM: which matrices */
  int64_t m, n, k;
  int64_t entries, blocks, width; /* products; blocks of columns of each; columns in a block */
  pons_dtype dtype;
  void *out;
} qmm_job;

/* A matrix of codes. */
typedef struct qmm_matrix {
  const uint32_t *words;
  const void *scales, *biases;
} qmm_matrix;

static qmm_matrix matrix_of(const qmm_job *j, int64_t entry) {
  cursor at;
  cursor_copy(&at, &j->matrices);
  cursor_to(&at, j->rhs ? j->rhs[entry] : entry);
  return (qmm_matrix){j->words + at.offset[0], element(j->scales, j->scale_dtype, at.offset[1]),
                      j->biases ? element(j->biases, j->scale_dtype, at.offset[2]) : NULL};
}

static int64_t x_matrix(const qmm_job *j, int64_t entry) { return j->lhs ? j->lhs[entry] : entry; }

/* ---- few rows ---- */

static int64_t row_groups(const qmm_job *j) { return j->k / j->q.group_size; }

/* results[r * width + c] += row r of x times row `row` of the codes */
static void multiply_row(const qmm_job *j, const qmm_matrix *w, int64_t entry, int64_t row, float *results,
                         int64_t width) {
  const int64_t groups = row_groups(j), words = j->q.group_size * j->q.bits / 32;
  const int kind = codes_of(j->q);
  float scales[CHUNK], biases[CHUNK], sums[DOT_ROWS];
  for (int64_t g = 0; g < groups; g += CHUNK) {
    const int64_t some = smaller(groups - g, CHUNK), at = row * groups + g;
    cpu_scales(j->q, j->scale_dtype, w->scales, at, some, scales);
    if (w->biases) cpu_scales(j->q, j->scale_dtype, w->biases, at, some, biases);
    for (int64_t r = 0; r < j->m;) {
      const int64_t x_row = x_matrix(j, entry) * j->m + r;
      const bool many = j->m - r >= DOT_ROWS;
      const quantized_dot d = {.words = w->words + at * words,
                               .groups = some,
                               .group_size = j->q.group_size,
                               .scales = scales,
                               .biases = w->biases ? biases : NULL,
                               .x = j->x + x_row * j->k + g * j->q.group_size,
                               .x_row = j->k,
                               .sums = j->sums ? j->sums + x_row * groups + g : NULL,
                               .sums_row = groups,
                               .out = sums};
      memset(sums, 0, sizeof sums);
      if (many) cpu_quantized_loops()->dot_many[kind](&d);
      else cpu_quantized_loops()->dot_one[kind](&d);
      for (int i = 0; i < (many ? DOT_ROWS : 1); i++) results[(r + i) * width] += sums[i];
      r += many ? DOT_ROWS : 1;
    }
  }
}

/* Do words hold whole codes, rows whole registers of them, and these one group or two? */
static bool words_will_do(const qmm_job *j) {
  const int64_t codes = 32 / j->q.bits, lanes = cpu_quantized_loops()->word_lanes, group = j->q.group_size / codes;
  if (j->m > WORD_ROWS || j->q.mode != QUANTIZED_AFFINE || (j->q.bits != 2 && j->q.bits != 4 && j->q.bits != 8)) return false;
  return j->k % (codes * lanes) == 0 && (group % lanes == 0 || 2 * group == lanes) && row_groups(j) <= WORD_GROUPS;
}

static bool bytes_will_do(const qmm_job *j) {
  const quantized_loops *loops = cpu_quantized_loops();
  if (!loops->dot_bytes || j->q.mode != QUANTIZED_AFFINE || j->q.bits != 4) return false;
  if (j->m > 1 && j->m <= loops->rows_by_words && words_will_do(j)) return false;
  return j->k % BYTE_CODES == 0 && row_groups(j) <= WORD_GROUPS;
}

/* Scales or biases of neighbouring groups: as they lie, or turned into floats. */
static const float *floats_of_groups(const qmm_job *j, const void *from, int64_t first, int64_t groups, float *to) {
  if (j->scale_dtype == PONS_FLOAT32) return (const float *)from + first;
  cpu_scales(j->q, j->scale_dtype, from, first, groups, to);
  return to;
}

/* Some rows of codes, with their scales and biases as floats. */
typedef struct rows_of_codes {
  const uint32_t *words;
  int64_t rows, words_per_row;
  int64_t behind; /* bytes of codes behind the last row */
  const float *scales, *biases;
} rows_of_codes;

static void multiply_words(const qmm_job *j, const rows_of_codes *w, int64_t x_row, float *results, int64_t width) {
  const int64_t groups = row_groups(j);
  for (int64_t i = 0; i < w->rows; i++)
    cpu_quantized_loops()->dot_words(&(quantized_words){.words = w->words + i * w->words_per_row,
                                                        .count = w->words_per_row,
                                                        .group_words = j->q.group_size * j->q.bits / 32,
                                                        .scales = w->scales + i * groups,
                                                        .biases = w->biases + i * groups,
                                                        .rows = j->m,
                                                        .x = j->arranged + x_row * j->k,
                                                        .x_row = j->k,
                                                        .sums = j->sums + x_row * groups,
                                                        .sums_row = groups,
                                                        .out = results + i,
                                                        .out_row = width},
                                     j->q.bits);
}

/* Elements of x stay in L1 while rows of codes pass. */
static void multiply_bytes(const qmm_job *j, const rows_of_codes *w, int64_t x_row, float *results, int64_t width) {
  const int64_t groups = row_groups(j), size = j->q.group_size;
  float (*dot)(const quantized_bytes *) = cpu_quantized_loops()->dot_bytes;
  for (int64_t at = 0; at < j->k; at += BYTES_CHUNK)
    for (int64_t r = 0; r < j->m; r++)
      for (int64_t i = 0; i < w->rows; i++) {
        const int64_t behind = (w->rows - 1 - i) * w->words_per_row * 4 + w->behind;
        results[r * width + i] += dot(&(quantized_bytes){.words = w->words + i * w->words_per_row + at / 8,
                                                         .count = smaller(j->k - at, BYTES_CHUNK),
                                                         .group_size = (int)size,
                                                         .scales = w->scales + i * groups + at / size,
                                                         .biases = w->biases + i * groups + at / size,
                                                         .x = j->bytes + (x_row + r) * bytes_of_row(j->k) + 3 * at,
                                                         .units = j->units + ((x_row + r) * j->k + at) / BYTE_CODES,
                                                         .sums = j->sums + (x_row + r) * groups + at / size,
                                                         .ahead = behind < BYTES_AHEAD ? 0 : BYTES_AHEAD});
      }
}

/* Rows of codes first .. first + width - 1 by words or by bytes, some at a time. */
static void multiply_rows(const qmm_job *j, const qmm_matrix *w, int64_t entry, int64_t first, int64_t width, float *results) {
  const int64_t groups = row_groups(j), words = j->k * j->q.bits / 32, at_once = WORD_GROUPS / groups;
  float scales[WORD_GROUPS], biases[WORD_GROUPS];
  for (int64_t c = 0; c < width; c += at_once) {
    const int64_t row = first + c, some = smaller(width - c, at_once);
    const rows_of_codes rows = {.words = w->words + row * words,
                                .rows = some,
                                .words_per_row = words,
                                .behind = (j->n - row - some) * words * 4,
                                .scales = floats_of_groups(j, w->scales, row * groups, some * groups, scales),
                                .biases = floats_of_groups(j, w->biases, row * groups, some * groups, biases)};
    (j->bytes ? multiply_bytes : multiply_words)(j, &rows, x_matrix(j, entry) * j->m, results + c, width);
  }
}

static void few_rows_piece(void *context, int64_t piece) {
  const qmm_job *j = context;
  const int64_t entry = piece / j->blocks, first = piece % j->blocks * j->width;
  const int64_t width = smaller(j->n - first, j->width);
  float results[FEW_ROWS * COLUMNS_MOST];
  memset(results, 0, (size_t)(j->m * width) * sizeof *results);
  const qmm_matrix w = matrix_of(j, entry);
  if (j->arranged || j->bytes) multiply_rows(j, &w, entry, first, width, results);
  else
    for (int64_t c = 0; c < width; c++) multiply_row(j, &w, entry, first + c, results + c, width);
  for (int64_t r = 0; r < j->m; r++)
    cpu_lanes()->store[j->dtype](results + r * width, width,
                                 element(j->out, j->dtype, (entry * j->m + r) * j->n + first), 1);
}

/* ---- sums of x per group ---- */

typedef struct sums_job {
  const float *x;
  float *sums;
  int64_t groups;
  int group_size;
} sums_job;

enum { SUMS_PER_PIECE = 512 };

static void sums_piece(void *context, int64_t piece) {
  const sums_job *j = context;
  const int64_t first = piece * SUMS_PER_PIECE, end = smaller(first + SUMS_PER_PIECE, j->groups);
  for (int64_t g = first; g < end; g++)
    cpu_reduce_loops()->fold[REDUCE_SUM][LANE_FLOAT](j->x + g * j->group_size, j->group_size, j->sums + g);
}

/* ---- many rows ---- */

/* Rows of codes, of `row_size` each, as a matrix for cpu/gemm.h: it reads values. */
typedef struct qmm_values {
  const qmm_job *j;
  qmm_matrix w;
  int64_t row_size;
} qmm_values;

/* Codes first .. first + n - 1 of the matrix: whole groups go where they are wanted, those of which a part is wanted are on the stack
   first. */
static void values_of_codes(const qmm_values *v, int64_t first, int64_t n, float *to) {
  const qmm_job *j = v->j;
  const int shift = __builtin_ctz((unsigned)j->q.group_size); /* a power of two; divisions would take half as long as the values do */
  const int64_t size = j->q.group_size, group = first >> shift, groups = ((first + n - 1) >> shift) - group + 1;
  void (*const values)(const quantized_groups *, float *) = cpu_quantized_loops()->values[codes_of(j->q)];
  float scales[VALUE_GROUPS], biases[VALUE_GROUPS], part[GROUP_MOST];
  const float *s = floats_of_groups(j, v->w.scales, group, groups, scales);
  const float *b = j->biases ? floats_of_groups(j, v->w.biases, group, groups, biases) : NULL;
  for (int64_t g = 0, done = 0; g < groups;) {
    const int64_t left = (first + done) & (size - 1), whole = left ? 0 : (n - done) >> shift, some = whole ? whole : 1;
    const quantized_groups q = {v->w.words + ((group + g) * size * j->q.bits >> 5), some, (int)size, s + g, b ? b + g : NULL};
    const int64_t wanted = whole ? whole * size : smaller(size - left, n - done);
    values(&q, whole ? to + done : part);
    if (!whole) memcpy(to + done, part + left, (size_t)wanted * sizeof *part);
    g += some, done += wanted;
  }
}

static void read_values(const void *source, int64_t row, int64_t col, int64_t rows, int64_t cols, void *to,
                        int64_t to_row) {
  const qmm_values *v = source;
  const int64_t most = (VALUE_GROUPS - 1) * v->j->q.group_size;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t at = 0; at < cols; at += most)
      values_of_codes(v, (row + r) * v->row_size + col + at, smaller(cols - at, most), (float *)to + r * to_row + at);
}

/* With transposed codes the product is of codes by transposed x, so that rows of values are used as they come. */
static error *multiply_entry(const qmm_job *j, int64_t entry, const char *op) {
  const qmm_values v = {j, matrix_of(j, entry), j->transpose ? j->k : j->n};
  const gemm_matrix codes = {.dtype = PONS_FLOAT32, .read = read_values, .source = &v};
  const float *x = j->x + x_matrix(j, entry) * j->m * j->k;
  gemm g = {.lane = LANE_FLOAT, .m = j->m, .n = j->n, .k = j->k, .alpha = 1};
  g.out.data = element(j->out, j->dtype, entry * j->m * j->n), g.out.dtype = j->dtype;
  if (j->transpose) {
    g.m = j->n, g.n = j->m;
    g.a = codes;
    g.b = (gemm_matrix){.data = x, .dtype = PONS_FLOAT32, .row = 1, .col = j->k};
    g.out.row = 1, g.out.col = j->n;
  } else {
    g.a = (gemm_matrix){.data = x, .dtype = PONS_FLOAT32, .row = j->k, .col = 1};
    g.b = codes;
    g.out.row = j->n, g.out.col = 1;
  }
  return cpu_gemm(&g, op);
}

/* ---- both ---- */

const char *cpu_refuses_quantized_matmul(const launch *l) {
  return l->out->dtype == PONS_FLOAT64 ? "its loops are of float32" : NULL;
}

/* What is held until the product is done. */
typedef struct qmm_memory {
  buffer *x, *sums, *arranged, *bytes, *parts[3], *lhs, *rhs;
} qmm_memory;

static buffer *floats_of(const char *op, int64_t count, error **why) {
  return *why ? NULL : buffer_new((size_t)count * sizeof(float), op, why);
}

/* Codes, scales, biases: used where they lie if their matrices are row-major, whatever their batches are. */
static error *take_parts(qmm_job *j, const launch *l, const char *op, qmm_memory *held) {
  int64_t strides[3][PONS_MAX_NDIM] = {{0}};
  const void *data[3] = {NULL};
  const int parts = j->q.mode == QUANTIZED_AFFINE ? 3 : 2, n = l->in[1].ndim;
  error *why = NULL;
  for (int i = 0; i < parts && !why; i++) {
    const operand *part = &l->in[i + 1];
    if (shape_is_row_major(2, part->shape + n - 2, part->strides + n - 2)) {
      data[i] = part->data;
      memcpy(strides[i], part->strides, (size_t)n * sizeof *strides[i]);
    } else {
      data[i] = cpu_packed(part, op, &held->parts[i], &why);
      shape_row_major(n, part->shape, strides[i]);
    }
  }
  j->words = data[0], j->scales = data[1], j->biases = data[2];
  j->scale_dtype = l->in[2].dtype;
  cursor_set(&j->matrices, n - 2, l->in[1].shape, 3, strides[0], strides[1], strides[2]);
  return why;
}

static error *sum_groups(qmm_job *j, int64_t count, const char *op, qmm_memory *held) {
  error *why = NULL;
  sums_job s = {.x = j->x, .groups = count / j->q.group_size, .group_size = j->q.group_size};
  held->sums = floats_of(op, s.groups, &why);
  if (why) return why;
  s.sums = buffer_data(held->sums);
  parallel_for(pieces_of(s.groups, SUMS_PER_PIECE), sums_piece, &s);
  j->sums = s.sums;
  return NULL;
}

/* Rows of x, `count` elements of them, as bytes; where that can't be, nothing has changed. */
static error *arrange_bytes(qmm_job *j, int64_t count, const char *op, qmm_memory *held) {
  const quantized_loops *loops = cpu_quantized_loops();
  const int64_t rows = count / j->k, size = bytes_of_row(j->k), units = count / BYTE_CODES;
  error *why = NULL;
  held->bytes = buffer_new((size_t)(units * (int64_t)sizeof(float) + rows * size), op, &why);
  if (why) return why;
  int8_t *bytes = buffer_data(held->bytes);
  float *of_rows = (float *)(void *)(bytes + rows * size);
  bool finite = true;
  for (int64_t r = 0; r < rows && finite; r++)
    finite = loops->arrange_bytes(j->x + r * j->k, j->k, bytes + r * size, of_rows + r * j->k / BYTE_CODES);
  if (finite) j->bytes = bytes, j->units = of_rows;
  return NULL;
}

static error *arrange(qmm_job *j, int64_t count, const char *op, qmm_memory *held) {
  error *why = NULL;
  if (bytes_will_do(j)) why = arrange_bytes(j, count, op, held);
  if (why || j->bytes || !words_will_do(j)) return why;
  held->arranged = floats_of(op, count, &why);
  if (why) return why;
  cpu_quantized_loops()->arrange(j->x, count, j->q.bits, buffer_data(held->arranged));
  j->arranged = buffer_data(held->arranged);
  return NULL;
}

static error *multiply(qmm_job *j, const launch *l, const char *op, qmm_memory *held) {
  error *why = NULL;
  if (j->transpose && j->m <= FEW_ROWS) {
    if (j->biases) why = sum_groups(j, operand_size(&l->in[0]), op, held);
    if (!why) why = arrange(j, operand_size(&l->in[0]), op, held);
    if (why) return why;
    j->width = PIECE_CODES / j->k;
    j->width = j->width < 1 ? 1 : j->width > COLUMNS_MOST ? COLUMNS_MOST : j->width;
    j->out = l->out->data;
    j->blocks = pieces_of(j->n, j->width);
    parallel_for(j->entries * j->blocks, few_rows_piece, j);
    return NULL;
  }
  j->out = l->out->data;
  for (int64_t entry = 0; entry < j->entries && !why; entry++) why = multiply_entry(j, entry, op);
  return why;
}

/* Sizes, operands, product. */
static error *run(qmm_job *j, const launch *l, const char *op, qmm_memory *held) {
  const operand *x = &l->in[0], *out = l->out;
  error *why = take_parts(j, l, op, held);
  if (!why) j->x = cpu_packed_lanes(x, op, &held->x, &why);
  j->dtype = out->dtype;
  j->k = x->shape[x->ndim - 1];
  j->n = out->shape[out->ndim - 1];
  if (!why && j->k) why = multiply(j, l, op, held);
  else if (!why) memset(out->data, 0, (size_t)operand_size(out) * pons_dtype_size(out->dtype));
  return why;
}

static void release(qmm_memory *held) {
  buffer_release(held->x);
  buffer_release(held->sums);
  buffer_release(held->arranged);
  buffer_release(held->bytes);
  for (int i = 0; i < 3; i++) buffer_release(held->parts[i]);
  buffer_release(held->lhs);
  buffer_release(held->rhs);
}

error *cpu_quantized_matmul(const launch *l) {
  const quantized_matmul_params *p = l->params;
  const operand *x = &l->in[0];
  if (!operand_size(l->out)) return NULL;
  qmm_job j = {.q = QUANTIZATION_OF(p), .transpose = p->transpose};
  qmm_memory held = {0};
  const int lead = l->in[1].ndim - 2; /* axes of x before these rows are batches, the others rows */
  j.entries = shape_size(lead, x->shape);
  j.m = shape_size(x->ndim - 1 - lead, x->shape + lead);
  error *why = run(&j, l, "quantized_matmul", &held);
  release(&held);
  return why;
}

error *cpu_gather_qmm(const launch *l) {
  const gather_qmm_params *p = l->params;
  const char *op = "gather_qmm";
  const operand *x = &l->in[0], *w = &l->in[1], *places = &l->in[l->n_in - 1];
  qmm_job j = {.q = QUANTIZATION_OF(p), .transpose = p->transpose};
  qmm_memory held = {0};
  error *why = NULL;
  const int64_t one = 1;
  const index_axis of_x = {0, shape_size(x->ndim - 2, x->shape), 1}, of_w = {0, shape_size(w->ndim - 2, w->shape), 1};
  held.lhs = indices_offsets(op, places - 1, 1, &of_x, &one, &why);
  if (!why) held.rhs = indices_offsets(op, places, 1, &of_w, &one, &why);
  if (!why && operand_size(l->out)) {
    j.lhs = buffer_data(held.lhs), j.rhs = buffer_data(held.rhs);
    j.entries = operand_size(places);
    j.m = x->shape[x->ndim - 2];
    why = run(&j, l, op, &held);
  }
  release(&held);
  return why;
}
