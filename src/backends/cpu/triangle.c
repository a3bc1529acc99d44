/* triangle.c: the inverse of a triangle by blocks, so that nearly all of the work is products of matrices. LAPACK
   inverts blocks along the diagonal; then, of two neighbours each already inverted,

       [A 0; C D]^-1 = [A^-1 0; -D^-1 C A^-1  D^-1]

   with blocks twice as large each time. An upper triangle is a lower one with rows and columns exchanged. Uses
   cpu/matrices.h, cpu/gemm.h. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/matrices.h"

enum { BLOCK = 64 };

/* A matrix in memory, of elements of the dtype that the job has. */
typedef struct placed {
  char *data;
  int64_t row, col;
} placed;

typedef struct triangle_job {
  const matrices *j;
  placed x, y; /* the triangle, lower, and its inverse */
  void *middle; /* C A^-1, row by row */
  error *why;
} triangle_job;

static char *at(const triangle_job *t, const placed *p, int64_t row, int64_t col) {
  return p->data + (row * p->row + col * p->col) * (int64_t)t->j->size;
}

static gemm_matrix part_of(const triangle_job *t, const placed *p, int64_t row, int64_t col) {
  return (gemm_matrix){.data = at(t, p, row, col), .dtype = t->j->dtype, .row = p->row, .col = p->col};
}

/* out (m, n) = alpha a (m, k) b (k, n) */
static void multiply(triangle_job *t, int64_t m, int64_t n, int64_t k, gemm_matrix a, gemm_matrix b, float alpha,
                     placed out) {
  gemm g = {.m = m, .n = n, .k = k, .lane = lane_of(t->j->dtype), .a = a, .b = b, .alpha = alpha};
  g.out.data = out.data;
  g.out.dtype = t->j->dtype;
  g.out.row = out.row;
  g.out.col = out.col;
  if (!t->why) t->why = cpu_gemm(&g, t->j->op);
}

/* The neighbours are `low` and `high` wide and begin at `first`. */
static void join(triangle_job *t, int64_t first, int64_t low, int64_t high) {
  const int64_t second = first + low;
  const placed middle = {t->middle, low, 1};
  placed corner = t->y;
  corner.data = at(t, &t->y, second, first);
  multiply(t, high, low, low, part_of(t, &t->x, second, first), part_of(t, &t->y, first, first), 1, middle);
  multiply(t, high, low, high, part_of(t, &t->y, second, second), part_of(t, &middle, 0, 0), -1, corner);
}

/* A block of the diagonal by LAPACK, through `block`, which has its columns; its info, counted from `first`. */
static int invert_block(const triangle_job *t, int64_t first, int n, void *block) {
  const int64_t in[] = {t->x.row, t->x.col}, out[] = {t->y.row, t->y.col}, columns[] = {1, n}, shape[] = {n, n};
  int info = 0;
  cpu_copy(block, columns, at(t, &t->x, first, first), in, 2, shape, t->j->size);
  t->j->f->trtri("L", "N", &n, block, &n, &info, 1, 1);
  if (!info) cpu_copy(at(t, &t->y, first, first), out, block, columns, 2, shape, t->j->size);
  return info > 0 ? info + (int)first : info;
}

int triangle_inverse(const matrices *j, int64_t index, bool upper, workspace *w) {
  const operand *x = j->l->in;
  const int64_t n = j->n;
  triangle_job t = {.j = j};
  void *block = workspace_take(w, BLOCK * BLOCK, j->size);
  t.middle = workspace_take(w, n * ((n + 1) / 2), j->size);
  if (!w->at || !n) return 0;
  t.x = (placed){matrix_operand(j, index), x->strides[x->ndim - 2], x->strides[x->ndim - 1]};
  t.y = (placed){matrix_result(j, 0, index, n * n), n, 1};
  if (upper) {
    t.x = (placed){t.x.data, t.x.col, t.x.row};
    t.y = (placed){t.y.data, t.y.col, t.y.row};
  }
  int info = 0;
  for (int64_t i = 0; !info && i < n; i += BLOCK) info = invert_block(&t, i, (int)smaller(n - i, BLOCK), block);
  matrix_clear(j, 0, index, j->n, j->n, upper);
  for (int64_t size = BLOCK; !info && size < n; size *= 2)
    for (int64_t i = 0; i + size < n; i += 2 * size) join(&t, i, size, smaller(n - i - size, size));
  if (!t.why) return info;
  error_release(t.why);
  return MATRIX_NO_MEMORY;
}
