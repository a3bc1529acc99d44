/* matrices.h: a loop over the matrices that the last two axes of an operand are, each given to LAPACK.

   Threads share the matrices; LAPACK runs on one thread each. A matrix is copied to columns in a piece's
   workspace, and results are copied back to rows. Uses cpu/calls.h, cpu/lapack.h. */
#ifndef CPU_MATRICES_H
#define CPU_MATRICES_H
#include "backends/cpu/calls.h"
#include "backends/cpu/lapack.h"
#include <limits.h>

/* Infos that are not LAPACK's. */
enum { MATRIX_NOT_FINITE = INT_MIN, MATRIX_NO_MEMORY };

/* Memory handed out piece by piece; with `at` NULL it only counts. */
typedef struct workspace {
  char *at;
  int64_t used;
} workspace;
void *workspace_take(workspace *w, int64_t count, size_t size);

typedef struct matrices matrices;
struct matrices {
  const char *op;
  const launch *l;
  const lapack_functions *f;
  pons_dtype dtype;
  size_t size; /* of an element */
  int m, n, k; /* rows and columns of each matrix, and the smaller of the two */
  int64_t batch;
  /* Factors matrix `index` and writes its results. Returns LAPACK's info: 0 is fine. Takes its memory from
     `w`; only counts it when w->at is NULL. */
  int (*factor)(const matrices *j, int64_t index, workspace *w);
  /* The error for info > 0 at a matrix that index_text names; NULL: info > 0 is fine. */
  error *(*explain)(const matrices *j, int info, const char *which);
  int lwork, liwork, lrwork;
  bool finite; /* NaN and infinity are refused: LAPACK may not come to an end with them */
};

/* What the launch is about; factor and the rest are the caller's. NULL, or why not: sizes beyond 32 bits. */
error *matrices_of(matrices *j, const char *op, const launch *l);
/* LAPACK's answer to the question for its workspace, at least `least`; an error if 32 bits can't count it. */
error *matrices_lwork(const matrices *j, int *lwork, const void *answer, int64_t least);
error *matrices_run(matrices *j);

/* Where matrix `index` of the operand begins. */
void *matrix_operand(const matrices *j, int64_t index);
/* Matrix `index` of the operand, in columns. */
void matrix_load(const matrices *j, int64_t index, void *to);
/* (rows, cols) in columns `lead` apart, as matrix `index` of result `out`. */
void matrix_store(const matrices *j, int out, int64_t index, const void *from, int rows, int cols, int lead);
/* Clears what is below (or above) the diagonal of matrix `index` of result `out`. */
void matrix_clear(const matrices *j, int out, int64_t index, int rows, int cols, bool below);
/* The greatest magnitude among n > 0 neighbours of float32 or float64; NaN if one is NaN. */
double matrix_greatest(pons_dtype part, const void *x, int64_t n);
/* The inverse of matrix `index` (lu_cpu.c), and of its lower or upper triangle (triangle.c), as a `factor` does it. */
int whole_inverse_of(const matrices *j, int64_t index, workspace *w);
int triangle_inverse(const matrices *j, int64_t index, bool upper, workspace *w);
/* Of an iteration: an `explain`. */
error *matrix_no_convergence(const matrices *j, int info, const char *which);
static inline size_t matrix_real_size(const matrices *j) { return pons_dtype_size(dtype_of_parts(j->dtype)); }
/* Where the results of `index` begin in result `out`, of which each matrix has `count` elements. */
void *matrix_result(const matrices *j, int out, int64_t index, int64_t count);
#endif
