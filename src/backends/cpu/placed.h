/* placed.h: matrices in memory as factorizations by blocks see them: parts, copies, products by cpu/gemm.h. Uses
   cpu/matrices.h. */
#ifndef CPU_PLACED_H
#define CPU_PLACED_H
#include "backends/cpu/matrices.h"

enum { FACTOR_BY_BLOCKS = 384 }; /* rows and columns from which on it pays */

/* Elements, with strides in elements. */
typedef struct placed {
  char *data;
  int64_t row, col;
} placed;

/* What a factorization's blocks have in common. */
typedef struct blocked {
  const matrices *j;
  atomic_bool no_memory; /* for some product */
} blocked;

static inline placed placed_at(const blocked *b, placed p, int64_t row, int64_t col) {
  return (placed){p.data + (row * p.row + col * p.col) * (int64_t)b->j->size, p.row, p.col};
}
static inline placed placed_turned(placed p) { return (placed){p.data, p.col, p.row}; }
/* Matrix `index` of the operand and of result `out`, of `cols` columns. */
placed placed_operand(const blocked *b, int64_t index);
placed placed_result(const blocked *b, int out, int64_t index, int64_t rows, int64_t cols);
void placed_copy(const blocked *b, int64_t rows, int64_t cols, placed from, placed to);
/* Ones on the diagonal, zeros above it. */
void placed_unit(const blocked *b, int64_t rows, int64_t cols, placed p);
/* Zeros above the diagonal of a square whose rows or columns are neighbours. */
void placed_clear_above(const blocked *b, int64_t n, placed p);
/* out (m, n) = alpha a (m, k) b (k, n) + beta out, shared by the threads; out's rows or columns are neighbours */
void placed_multiply(blocked *b, int64_t m, int64_t n, int64_t k, float alpha, placed a, placed x, float beta, placed out);
/* x (n, count), of which rows or columns are neighbours, becomes the solution y of t y = x, where t is a triangle; `unit`:
   ones stand for its diagonal. By the library, and large ones by halves and products. */
void placed_solve(blocked *b, int n, int count, bool upper, bool unit, placed t, placed x);
/* triangle.c. y, of which rows or columns are neighbours: the inverse of the lower triangle of x (n by n), zeros above; `unit`: ones stand for x's diagonal. `block`,
   `middle`: room as triangle_room says. Returns LAPACK's info. */
int64_t triangle_room(int64_t n, int64_t *block);
int triangle_invert(blocked *b, int64_t n, bool unit, placed x, placed y, void *block, void *middle);
#endif
