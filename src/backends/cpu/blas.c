/* blas.c: a BLAS library, looked for at run time: OpenBLAS first, then whatever the system calls libblas.

   It is told to use one thread: what threads share is cut by us, in pieces that do not depend on their
   number. Uses cpu/gemm.h, base/. */
#include "backends/cpu/gemm.h"
#include <pthread.h>
#include <stdlib.h>

/* The C interface of BLAS, with its constants; sizes are 32-bit integers. */
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
typedef void sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                   const double *b, int ldb, double beta, double *c, int ldc);
typedef void cgemm(int order, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int lda,
                   const void *b, int ldb, const void *beta, void *c, int ldc);
typedef void sgemv(int order, int ta, int m, int n, float alpha, const float *a, int lda, const float *x,
                   int incx, float beta, float *y, int incy);

static struct {
  void *library;
  char *missing;
  sgemm *sgemm;
  dgemm *dgemm;
  cgemm *cgemm;
  sgemv *sgemv;
} blas;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

/* OpenBLAS takes processors it does not know for older ones; where it misses AVX-512 half the speed
   is lost. */
static bool name_the_processor(void) {
#if defined(__x86_64__)
  if (!getenv("OPENBLAS_CORETYPE") && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return setenv("OPENBLAS_CORETYPE", "SkylakeX", 0) == 0;
#endif
  return false;
}

static void find(void *to, const char *name) {
  void *address = library_symbol(blas.library, name);
  memcpy(to, &address, sizeof address); /* a function pointer from void * */
}

static void open_library(void) {
  static const char *const names[] = {"libopenblas.so.0",
                                      "libopenblas.so",
                                      "libblas.so.3",
                                      "libcblas.so.3",
                                      "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                                      "/usr/local/opt/openblas/lib/libopenblas.dylib",
                                      "/System/Library/Frameworks/Accelerate.framework/Accelerate",
                                      NULL};
  bool named = name_the_processor();
  blas.library = library_open(names, &blas.missing);
  if (named) unsetenv("OPENBLAS_CORETYPE"); /* read while it was loaded */
  if (!blas.library) return;
  find(&blas.sgemm, "cblas_sgemm");
  find(&blas.dgemm, "cblas_dgemm");
  find(&blas.cgemm, "cblas_cgemm");
  find(&blas.sgemv, "cblas_sgemv");
  void (*set_threads)(int) = NULL;
  find(&set_threads, "openblas_set_num_threads");
  if (set_threads) set_threads(1);
}

static const char incomplete[] =
    "a BLAS library was found, but without the C interface (cblas_sgemm and others)";

const char *blas_missing(void) {
  pthread_once(&opened, open_library);
  if (!blas.library) return blas.missing ? blas.missing : "no BLAS library was found";
  return blas.sgemm && blas.dgemm && blas.cgemm && blas.sgemv ? NULL : incomplete;
}

void *blas_library(void) {
  pthread_once(&opened, open_library);
  return blas.library;
}

bool blas_found(void) { return !blas_missing(); }

void blas_report(text *json) {
  const char *missing = blas_missing();
  text_add(json, "{\"found\": %s", missing ? "false" : "true");
  if (missing) {
    text_add(json, ", \"why\": ");
    text_add_json(json, missing);
    text_add(json, ", \"instead\": \"matrix products by our own loops, several times slower\", \"remedy\": "
                   "\"install OpenBLAS: libopenblas0 (Debian, Ubuntu), openblas (Fedora, Homebrew)\"}");
    return;
  }
  const char *path = library_path(blas.library, "cblas_sgemm");
  char *(*config)(void) = NULL;
  char *(*core)(void) = NULL;
  find(&config, "openblas_get_config");
  find(&core, "openblas_get_corename");
  text_add(json, ", \"path\": ");
  text_add_json(json, path ? path : "unknown");
  text_add(json, ", \"version\": ");
  text_add_json(json, config ? config() : "unknown");
  text_add(json, ", \"kernels\": ");
  text_add_json(json, core ? core() : "unknown");
  text_add(json, "}");
}

static bool fits(int64_t size) { return size <= INT32_MAX; }

bool blas_takes(int64_t rows, int64_t cols, int64_t row, int64_t col) {
  if (!fits(rows) || !fits(cols) || !fits(row) || !fits(col)) return false;
  bool plain = (col == 1 || cols == 1) && (rows == 1 || row >= cols);
  bool transposed = (row == 1 || rows == 1) && (cols == 1 || col >= rows);
  return plain || transposed;
}

typedef struct side {
  int transposed, leading;
} side;

/* Axes of size 1 have whatever stride suits. */
static side side_of(int64_t rows, int64_t cols, int64_t row, int64_t col) {
  if ((col == 1 || cols == 1) && (rows == 1 || row >= cols))
    return (side){PLAIN, (int)(rows == 1 ? cols : row)};
  return (side){TRANSPOSED, (int)(cols == 1 ? rows : col)};
}

/* y = alpha matrix x + beta y; vectors with strides. */
static void matrix_times_vector(const gemm *g, const float *matrix, int64_t rows, int64_t cols, int64_t row,
                                int64_t col, const float *x, int64_t x_stride, int64_t y_stride) {
  side s = side_of(rows, cols, row, col);
  int m = (int)(s.transposed == PLAIN ? rows : cols), n = (int)(s.transposed == PLAIN ? cols : rows);
  blas.sgemv(ROW_MAJOR, s.transposed, m, n, g->alpha, matrix, s.leading, x, (int)x_stride, g->beta, g->c,
             (int)y_stride);
}

void blas_gemm(const gemm *g) {
  if (g->m == 0 || g->n == 0) return;
  if (g->k == 0) { /* c is scaled, or zero; leading dimensions of 0 are none that BLAS takes */
    portable_gemm(g);
    return;
  }
  bool is_float = g->lane == LANE_FLOAT;
  if (is_float && g->n == 1 && g->b_row > 0) {
    matrix_times_vector(g, g->a, g->m, g->k, g->a_row, g->a_col, g->b, g->k == 1 ? 1 : g->b_row,
                        g->m == 1 ? 1 : g->c_row);
    return;
  }
  if (is_float && g->m == 1 && g->a_col > 0) {
    matrix_times_vector(g, g->b, g->n, g->k, g->b_col, g->b_row, g->a, g->k == 1 ? 1 : g->a_col, 1);
    return;
  }
  side a = side_of(g->m, g->k, g->a_row, g->a_col), b = side_of(g->k, g->n, g->b_row, g->b_col);
  int m = (int)g->m, n = (int)g->n, k = (int)g->k, ldc = (int)(g->m == 1 ? g->n : g->c_row);
  complex64 alpha = {g->alpha, 0}, beta = {g->beta, 0};
  switch (g->lane) {
    case LANE_FLOAT:
      blas.sgemm(ROW_MAJOR, a.transposed, b.transposed, m, n, k, g->alpha, g->a, a.leading, g->b, b.leading,
                 g->beta, g->c, ldc);
      break;
    case LANE_DOUBLE:
      blas.dgemm(ROW_MAJOR, a.transposed, b.transposed, m, n, k, (double)g->alpha, g->a, a.leading, g->b,
                 b.leading, (double)g->beta, g->c, ldc);
      break;
    default:
      blas.cgemm(ROW_MAJOR, a.transposed, b.transposed, m, n, k, &alpha, g->a, a.leading, g->b, b.leading,
                 &beta, g->c, ldc);
  }
}
