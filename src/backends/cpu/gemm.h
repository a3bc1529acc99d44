/* gemm.h: products of two matrices in memory of lanes, by a BLAS library found at run time or by loops of our
   own. Uses cpu/lanes.h. */
#ifndef CPU_GEMM_H
#define CPU_GEMM_H
#include "backends/cpu/lanes.h"

/* c (m, n) = alpha a (m, k) b (k, n) + beta c; with beta 0, c is not read. Elements are lanes of one kind;
   strides in lanes; the columns of c are neighbours. */
typedef struct gemm {
  lane lane;
  int64_t m, n, k;
  const void *a, *b;
  int64_t a_row, a_col, b_row, b_col;
  void *c;
  int64_t c_row;
  float alpha, beta;
} gemm;

/* On this thread. */
void blas_gemm(const gemm *g);
void portable_gemm(const gemm *g);
/* By BLAS if one was found and it takes this, else by our own loops. */
void cpu_gemm(const gemm *g);
/* Can BLAS read a (rows, cols) matrix with these strides? */
bool blas_takes(int64_t rows, int64_t cols, int64_t row, int64_t col);

/* Opened at the first call. NULL if there is one, else what was tried. */
const char *blas_missing(void);
bool blas_found(void);
void *blas_library(void); /* as library_open gave it; NULL if none was found */
void blas_report(text *json); /* an object */

enum { GEMM_STRIP = 16 }; /* columns of b that lie together in a panel */
typedef struct gemm_loops {
  /* c[i * c_row + j] += alpha * sum over p < k of a[i * a_row + p * a_col] * b(p, j), for i < m, j < n. The
     panel holds b strip by strip: (n / GEMM_STRIP rounded up, k, GEMM_STRIP). */
  void (*add[LANE_KINDS])(int64_t m, int64_t n, int64_t k, float alpha, const void *a, int64_t a_row,
                          int64_t a_col, const void *panel, void *c, int64_t c_row);
} gemm_loops;
extern const gemm_loops gemm_loops_baseline, gemm_loops_avx2, gemm_loops_avx512;
const gemm_loops *cpu_gemm_loops(void);
#endif
