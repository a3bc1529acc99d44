/* placed.c: parts of matrices for factorizations by blocks. Uses cpu/placed.h, cpu/gemm.h. */
#include "backends/cpu/placed.h"
#include "backends/cpu/gemm.h"

placed placed_operand(const blocked *b, int64_t index) {
  const operand *x = b->j->l->in;
  return (placed){matrix_operand(b->j, index), x->strides[x->ndim - 2], x->strides[x->ndim - 1]};
}

placed placed_result(const blocked *b, int out, int64_t index, int64_t rows, int64_t cols) {
  return (placed){matrix_result(b->j, out, index, rows * cols), cols, 1};
}

void placed_copy(const blocked *b, int64_t rows, int64_t cols, placed from, placed to) {
  if (to.col != 1) { /* neighbours are written one after the other */
    const int64_t other = rows;
    rows = cols, cols = other;
    from = placed_turned(from), to = placed_turned(to);
  }
  cpu_copy(to.data, (const int64_t[]){to.row, to.col}, from.data, (const int64_t[]){from.row, from.col}, 2,
           (const int64_t[]){rows, cols}, b->j->size);
}

void placed_unit(const blocked *b, int64_t rows, int64_t cols, placed p) {
  for (int64_t j = 0; j < cols; j++)
    for (int64_t i = 0; i <= j && i < rows; i++) {
      char *at = placed_at(b, p, i, j).data;
      memset(at, 0, b->j->size);
      if (i == j) dtype_write(dtype_of_parts(b->j->dtype), at, 1);
    }
}

void placed_clear_above(const blocked *b, int64_t n, placed p) {
  for (int64_t i = 0; i < n; i++) { /* what lies beside each other in memory */
    const bool in_row = p.col == 1;
    memset(placed_at(b, p, in_row ? i : 0, in_row ? i + 1 : i).data, 0, (size_t)(in_row ? n - i - 1 : i) * b->j->size);
  }
}

static gemm_matrix as_gemm(const blocked *b, placed p) {
  return (gemm_matrix){.data = p.data, .dtype = b->j->dtype, .row = p.row, .col = p.col};
}

void placed_multiply(blocked *b, int64_t m, int64_t n, int64_t k, float alpha, placed a, placed x, float beta, placed out) {
  if (out.col != 1) { /* outT = xT aT */
    const placed other = placed_turned(a);
    a = placed_turned(x), x = other, out = placed_turned(out);
    const int64_t rows = n;
    n = m, m = rows;
  }
  gemm g = {.m = m, .n = n, .k = k, .lane = lane_of(b->j->dtype), .alpha = alpha, .beta = beta};
  g.a = as_gemm(b, a), g.b = as_gemm(b, x);
  g.out.data = out.data, g.out.dtype = b->j->dtype, g.out.row = out.row, g.out.col = out.col;
  error *why = cpu_gemm(&g, b->j->op);
  if (why) atomic_store(&b->no_memory, true);
  error_release(why);
}

enum { MOST_SOLVED = 192 /* rows that the library solves at once */ };

/* The library sees columns: a matrix whose rows are neighbours is a transposed one, and t y = x is yT tT = xT. */
static void solve_by_library(const blocked *b, int n, int count, bool upper, bool unit, placed t, placed x) {
  const bool turned = x.col == 1, t_turned = t.col == 1;
  const int t_lead = (int)(t_turned ? t.row : t.col), lead = (int)(turned ? x.row : x.col);
  const double wide_one[2] = {1, 0};
  const float one[2] = {1, 0};
  const void *alpha = dtype_of_parts(b->j->dtype) == PONS_FLOAT64 ? (const void *)wide_one : one;
  b->j->f->trsm(turned ? "R" : "L", upper != t_turned ? "U" : "L", turned != t_turned ? "T" : "N", unit ? "U" : "N",
                turned ? &count : &n, turned ? &n : &count, alpha, t.data, &t_lead, x.data, &lead, 1, 1, 1, 1);
}

/* Large triangles by halves, so that nearly all of the work is products, which are faster here. */
void placed_solve(blocked *b, int n, int count, bool upper, bool unit, placed t, placed x) {
  if (n <= MOST_SOLVED || dtype_is_complex(b->j->dtype)) {
    solve_by_library(b, n, count, upper, unit, t, x);
    return;
  }
  const int half = (int)round_up(n / 2, 64), sizes[2] = {half, n - half}, first[2] = {0, half};
  const int known = upper, other = !upper; /* which half is solved first */
  const placed x_known = placed_at(b, x, first[known], 0), x_other = placed_at(b, x, first[other], 0);
  placed_solve(b, sizes[known], count, upper, unit, placed_at(b, t, first[known], first[known]), x_known);
  placed_multiply(b, sizes[other], count, sizes[known], -1, placed_at(b, t, first[other], first[known]), x_known, 1, x_other);
  placed_solve(b, sizes[other], count, upper, unit, placed_at(b, t, first[other], first[other]), x_other);
}
