/* gemm.h: products of matrices of any dtype and layout.

       out (m, n) = alpha a (m, k) b (k, n) + beta addend

   gemm.c cuts a product into blocks that fit the caches, after Goto and van de Geijn ("Anatomy of High-Performance
   Matrix Multiplication", 2008) and BLIS; thin.c has those of few rows or columns, which memory limits. Uses
   cpu/calls.h, cpu/lanes.h. */
#ifndef CPU_GEMM_H
#define CPU_GEMM_H
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"

/* Where a matrix lies: strides in elements, any of them. */
typedef struct gemm_matrix gemm_matrix;
struct gemm_matrix {
  const void *data;
  pons_dtype dtype;
  int64_t row, col;
  /* For what is not elements in memory, such as codes or the windows of a convolution: writes rows and columns from
     (row, col) on as lanes, row by row, `to_row` lanes apart. NULL: elements. `source` is the caller's. */
  void (*read)(const void *source, int64_t row, int64_t col, int64_t rows, int64_t cols, void *to, int64_t to_row);
  const void *source;
};

typedef struct gemm {
  int64_t m, n, k;
  lane lane; /* in which it is computed */
  gemm_matrix a, b;
  struct {
    void *data;
    pons_dtype dtype;
    int64_t row, col;
  } out;
  float alpha, beta;
  gemm_matrix addend; /* read if beta is not 0; without data it is what `out` holds */
  bool alone; /* one thread has it to itself: others have products of their own */
  const struct gemm *next; /* what the thread multiplies after this, or NULL: its operands are fetched meanwhile */
} gemm;

/* Shares the work among the threads, if it is worth it and they are free. The sum over k is cut in the same places
   whatever their number. An error is one of memory. */
error *cpu_gemm(const gemm *g, const char *op);
/* Products 0 .. count - 1, each as `set` makes it of `like`, which tells the sizes of the largest. */
error *cpu_gemm_batch(int64_t count, const gemm *like, void (*set)(const void *context, int64_t index, gemm *g),
                      const void *context, const char *op);
/* Few rows or columns: whether thin.c has it, and how. */
bool gemm_is_thin(const gemm *g);
error *gemm_thin(const gemm *g, const char *op);

/* ---- tiles of a result, in registers ---- */

enum { GEMM_ROWS_MOST = 8 };
/* Whole tiles of floats may have their rows of a in another order, from a[0] on: by steps, the first lanes of all rows, a_step
   floats further the second ones, and so on; or by fours, of each row the first four, then the second four. */
enum { GEMM_BY_ROWS, GEMM_BY_STEPS, GEMM_BY_FOURS };
/* Some rows of a result, as wide as a column of tiles. The sum goes over runs: in each, row i of a is lengths[s]
   neighbours from a[s * GEMM_ROWS_MOST + i] on, and rows of b begin b[s] lanes behind the column's. Of another order
   there is one run, and rows of b are neighbours. */
typedef struct gemm_tile {
  int64_t rows, runs;
  int order;
  int64_t a_step; /* by steps only */
  const void *const *a;
  const int64_t *b, *lengths;
  int64_t c;   /* where it begins: lanes behind the column's c, */
  int64_t add; /* and its addend */
} gemm_tile;
/* Tiles below each other: c[i * c_row + j] = alpha sum over p of a(i, p) b(p, j) + beta add[i * add_row + j], for j < width.
   Rows of b are b_step lanes apart, and all columns of a tile long. With beta 0 nothing is added; without `add`, c is. */
typedef struct gemm_column {
  const gemm_tile *tiles;
  int64_t count, width;
  const void *b;
  int64_t b_step;
  float alpha, beta;
  void *c;
  int64_t c_row;
  const void *add;
  int64_t add_row;
  const void *fetch;   /* what will be read soon is brought closer meanwhile, */
  int64_t fetch_bytes; /* so much of it with each two steps of a tile */
} gemm_column;

/* Rows of the tile that begins where `left` rows are left: the last two share what is no whole tile. */
static inline int64_t gemm_rows_of_tile(int64_t left, int64_t each) {
  return left >= 2 * each || left == each ? each : left < each ? left : left - each > each / 2 ? each : (left + 1) / 2;
}

typedef struct gemm_loops {
  bool weaves;         /* whether rows of a that tiles can read where they lie are worth weaving for wide blocks */
  int tile_rows, strip_rows, tile_columns[LANE_KINDS]; /* complex numbers are two lanes here */
  void (*column[LANE_KINDS])(const gemm_column *t);
  /* to[i * to_row + j] = from[i + j * column] for i < rows, j < columns, as float lanes. NULL: no such loop. */
  void (*turn[PONS_DTYPE_COUNT])(const void *from, int64_t column, int64_t rows, int64_t columns, void *to,
                                 int64_t to_row);
  /* The same of from[i * row + j]. */
  void (*rows[PONS_DTYPE_COUNT])(const void *from, int64_t row, int64_t rows, int64_t columns, void *to,
                                 int64_t to_row);
  /* Rows for whole tiles, by steps. Row or col is 1. If col is, those of tile t begin at to + t * tile_rows * depth; if
     row is, there are strip_rows in a step, of several tiles beside each other, and fewer in the last strip. */
  void (*weave[PONS_DTYPE_COUNT])(const void *from, int64_t row, int64_t col, int64_t tiles, int64_t depth, void *to);
  /* By fours of rows whose elements are neighbours; depth is rounded up to four. */
  void (*fours[PONS_DTYPE_COUNT])(const void *from, int64_t row, int64_t tiles, int64_t depth, void *to);
  /* Of so many rows, strips as wide as a tile, to_strip lanes apart. */
  void (*strips[PONS_DTYPE_COUNT])(const void *from, int64_t row, int64_t rows, int64_t strips, void *to,
                                   int64_t to_strip);
} gemm_loops;
extern const gemm_loops gemm_loops_baseline, gemm_loops_avx2, gemm_loops_avx512;
const gemm_loops *cpu_gemm_loops(void);
/* Rows and columns of x from (row, col) on as lanes, row by row. */
void gemm_read(const gemm_matrix *x, lane lane, int64_t row, int64_t col, int64_t rows, int64_t cols, void *to,
               int64_t to_row);

/* ---- few rows (thin.isa.c) ---- */

enum { THIN_ROWS = 16, DOT_COLUMNS = 4 }; /* rows of x at most; rows of w at a time */
/* Rows x (rows, k) of lanes and a matrix w of any float dtype. dots: y[r * y_row + j] += sum over p of x(r, p) w(j, p),
   for j < columns, w's elements neighbours along p. sums: the same with w(p, j), neighbours along j; y has room for
   columns up to a multiple of 16. */
typedef struct thin_part {
  int64_t rows, columns, k;
  const void *x;
  int64_t x_row;
  const void *w;
  int64_t w_row;
  void *y;
  int64_t y_row;
} thin_part;
typedef struct thin_loops {
  void (*dots[PONS_DTYPE_COUNT])(const thin_part *t);
  void (*sums[PONS_DTYPE_COUNT])(const thin_part *t);
} thin_loops;
extern const thin_loops thin_loops_baseline, thin_loops_avx2, thin_loops_avx512;
const thin_loops *cpu_thin_loops(void);
#endif
