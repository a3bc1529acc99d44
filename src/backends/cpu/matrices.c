/* matrices.c: the loop over the matrices of an operand, and how they come to columns and back. Uses
   cpu/matrices.h, cpu/lanes.h. */
#include "backends/cpu/matrices.h"
#include "backends/cpu/lanes.h"
#include <math.h>

enum { ALIGNMENT = 64, MOST_PIECES = 64 };
static const int64_t most_workspace = 1 << 28; /* bytes of all pieces together, unless one needs more */

void *workspace_take(workspace *w, int64_t count, size_t size) {
  char *at = w->at ? w->at + w->used : NULL;
  w->used += (count * (int64_t)size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return at;
}

const char *cpu_refuses_without_lapack(const launch *l) {
  (void)l;
  return lapack_missing()
             ? "no LAPACK was found at run time; install OpenBLAS (libopenblas0 on Debian and Ubuntu, "
               "openblas on Fedora and Homebrew), see `pons info`"
             : NULL;
}

error *matrices_of(matrices *j, const char *op, const launch *l) {
  const operand *x = l->in;
  const int64_t m = x->shape[x->ndim - 2], n = x->shape[x->ndim - 1];
  *j = (matrices){.op = op, .l = l, .f = lapack_for(x->dtype), .dtype = x->dtype};
  if (!j->f) return fail_as(PONS_ERROR_RUNTIME, op, "LAPACK has no %s", pons_dtype_name(x->dtype));
  if (m > INT_MAX || n > INT_MAX)
    return fail_as(PONS_ERROR_RUNTIME, op, "a matrix of %lld by %lld is too large: LAPACK counts in 32 bits",
                   (long long)m, (long long)n);
  j->size = pons_dtype_size(x->dtype);
  j->m = (int)m;
  j->n = (int)n;
  j->k = (int)smaller(m, n);
  j->batch = shape_size(x->ndim - 2, x->shape);
  return NULL;
}

error *matrices_lwork(const matrices *j, int *lwork, const void *answer, int64_t least) {
  double wanted = 1;
  if (answer) wanted = dtype_of_parts(j->dtype) == PONS_FLOAT64 ? *(const double *)answer : (double)*(const float *)answer;
  if (wanted < (double)least) wanted = (double)least;
  if (wanted < 1) wanted = 1;
  if (wanted > INT_MAX)
    return fail_as(PONS_ERROR_RUNTIME, j->op,
                   "a matrix of %d by %d is too large: LAPACK counts its workspace in 32 bits", j->m, j->n);
  *lwork = (int)wanted;
  return NULL;
}

/* ---- rows and columns ---- */

/* Where the matrix begins, in elements. */
static int64_t offset_of(const operand *x, int64_t index) {
  int64_t offset = 0;
  for (int i = x->ndim - 3; i >= 0; i--) {
    offset += index % x->shape[i] * x->strides[i];
    index /= x->shape[i];
  }
  return offset;
}

void *matrix_operand(const matrices *j, int64_t index) {
  const operand *x = j->l->in;
  return (char *)x->data + offset_of(x, index) * (int64_t)j->size;
}

void matrix_load(const matrices *j, int64_t index, void *to) {
  const operand *x = j->l->in;
  const char *from = matrix_operand(j, index);
  const int64_t across[2] = {x->strides[x->ndim - 1], x->strides[x->ndim - 2]};
  cpu_copy(to, (const int64_t[]){j->m, 1}, from, across, 2, (const int64_t[]){j->n, j->m}, j->size);
}

void *matrix_result(const matrices *j, int out, int64_t index, int64_t count) {
  const operand *y = &j->l->out[out];
  return (char *)y->data + index * count * (int64_t)pons_dtype_size(y->dtype);
}

void matrix_store(const matrices *j, int out, int64_t index, const void *from, int rows, int cols, int lead) {
  void *to = matrix_result(j, out, index, (int64_t)rows * cols);
  cpu_copy(to, (const int64_t[]){cols, 1}, from, (const int64_t[]){1, lead}, 2, (const int64_t[]){rows, cols},
           pons_dtype_size(j->l->out[out].dtype));
}

void matrix_clear(const matrices *j, int out, int64_t index, int rows, int cols, bool below) {
  char *at = matrix_result(j, out, index, (int64_t)rows * cols);
  for (int64_t i = 0; i < rows; i++) {
    const int64_t first = below ? 0 : smaller(i + 1, cols), last = below ? smaller(i, cols) : cols;
    memset(at + (i * cols + first) * (int64_t)j->size, 0, (size_t)(last - first) * j->size);
  }
}

double matrix_greatest(pons_dtype part, const void *x, int64_t n) {
  const lane lane = lane_of(part);
  lane_value low, high;
  cpu_reduce_loops()->fold[REDUCE_MIN][lane](x, n, &low);
  cpu_reduce_loops()->fold[REDUCE_MAX][lane](x, n, &high);
  return lane == LANE_DOUBLE ? fmax(fabs(low.d), fabs(high.d)) + 0 * low.d : (double)(fmaxf(fabsf(low.f), fabsf(high.f)) + 0 * low.f);
}

static bool is_finite(const matrices *j, int64_t index) {
  const operand *x = j->l->in;
  int64_t n = j->n, lines = j->m, step = x->strides[x->ndim - 1], to_line = x->strides[x->ndim - 2];
  const pons_dtype part = dtype_of_parts(j->dtype);
  const char *from = matrix_operand(j, index);
  double sum = 0; /* not 0 once something is not finite */
  if (to_line == 1) n = j->m, lines = j->n, to_line = step, step = 1;
  for (int64_t i = 0; i < lines; i++, from += to_line * (int64_t)j->size)
    for (int64_t at = 0; at < n; at += TILE) {
      lane_value tile[TILE];
      const int64_t some = smaller(n - at, TILE);
      const void *lanes = lanes_at(j->dtype, from + at * step * (int64_t)j->size, step, some, tile);
      sum += 0 * matrix_greatest(part, lanes, part == j->dtype ? some : 2 * some);
    }
  return sum == 0;
}

error *matrix_no_convergence(const matrices *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "the iteration does not converge for %s (%d by %d): LAPACK says %d", which, j->m, j->n,
                 info);
}

/* ---- the loop ---- */

typedef struct pieces {
  const matrices *j;
  char *memory;
  int64_t bytes, count; /* of each piece's workspace; matrices of each piece */
  int *infos;           /* of each matrix */
} pieces;

static void run_piece(void *context, int64_t piece) {
  const pieces *p = context;
  const int64_t first = piece * p->count, last = smaller(first + p->count, p->j->batch);
  for (int64_t i = first; i < last; i++) {
    workspace w = {p->memory + piece * p->bytes, 0};
    p->infos[i] = p->j->finite && !is_finite(p->j, i) ? MATRIX_NOT_FINITE : p->j->factor(p->j, i, &w);
  }
}

/* The first matrix that failed, whatever the threads' order. */
static error *first_error(const matrices *j, const int *infos) {
  for (int64_t i = 0; i < j->batch; i++) {
    if (infos[i] == 0 || (infos[i] > 0 && !j->explain)) continue;
    char which[64] = "the matrix";
    if (j->batch > 1) snprintf(which, sizeof which, "matrix %lld of %lld", (long long)i, (long long)j->batch);
    if (infos[i] == MATRIX_NOT_FINITE) return fail_as(PONS_ERROR_RUNTIME, j->op, "%s holds NaN or infinity", which);
    if (infos[i] == MATRIX_NO_MEMORY) return fail_no_memory(j->op);
    if (infos[i] < 0)
      return fail_as(PONS_ERROR_RUNTIME, j->op, "LAPACK refuses argument %d for %s", -infos[i], which);
    return j->explain(j, infos[i], which);
  }
  return NULL;
}

error *matrices_run(matrices *j) {
  if (j->batch == 0) return NULL;
  workspace need = {NULL, 0};
  j->factor(j, 0, &need);
  pieces p = {.j = j, .bytes = need.used};
  int64_t most = p.bytes ? most_workspace / p.bytes : MOST_PIECES;
  most = most < 1 ? 1 : smaller(most, MOST_PIECES);
  p.count = turns_per_piece(j->batch, (int64_t)j->m * j->n * j->k);
  if (p.count * most < j->batch) p.count = ceiling(j->batch, most);
  const int64_t n = pieces_of(j->batch, p.count);
  error *why = NULL;
  buffer *memory = buffer_new((size_t)(n * p.bytes) + (size_t)j->batch * sizeof(int), j->op, &why);
  if (!memory) return why;
  p.memory = buffer_data(memory);
  p.infos = (int *)(p.memory + n * p.bytes);
  parallel_for(n, run_piece, &p);
  why = first_error(j, p.infos);
  buffer_release(memory);
  return why;
}
