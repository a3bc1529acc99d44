/* gemm.c: matrix products by our own loops, in panels that fit the cache. Uses cpu/gemm.h. */
#include "backends/cpu/gemm.h"
#include "backends/cpu/calls.h"

enum { PANEL_K = 64, PANEL_N = 128 };

static void scale_rows(const gemm *g) {
  size_t size = lane_size(g->lane);
  for (int64_t i = 0; i < g->m; i++) {
    char *row = (char *)g->c + (size_t)(i * g->c_row) * size;
    if (g->beta == 0) {
      memset(row, 0, (size_t)g->n * size);
      continue;
    }
    for (int64_t j = 0; j < g->n; j++) {
      lane_value *x = (lane_value *)(row + (size_t)j * size);
      switch (g->lane) {
        case LANE_FLOAT: *(float *)x *= g->beta; break;
        case LANE_DOUBLE: *(double *)x *= (double)g->beta; break;
        case LANE_INT:
        case LANE_UINT: *(uint64_t *)x *= (uint64_t)g->beta; break;
        default:
          *(complex64 *)x = (complex64){((complex64 *)x)->re * g->beta, ((complex64 *)x)->im * g->beta};
      }
    }
  }
}

/* b's rows p .. p + k, columns j .. j + n, as strips; what the last strip lacks is zero. */
static void fill_panel(const gemm *g, int64_t p, int64_t k, int64_t j, int64_t n, char *panel) {
  int64_t size = (int64_t)lane_size(g->lane);
  pons_dtype any = size == sizeof(float) ? PONS_FLOAT32 : PONS_COMPLEX64; /* of that size: it only moves */
  for (int64_t end = j + n; j < end; j += GEMM_STRIP)
    for (int64_t r = p; r < p + k; r++, panel += GEMM_STRIP * size) {
      int64_t width = smaller(end - j, GEMM_STRIP);
      cpu_lanes()->load[any]((const char *)g->b + (r * g->b_row + j * g->b_col) * size, g->b_col, width,
                             panel);
      memset(panel + width * size, 0, (size_t)((GEMM_STRIP - width) * size));
    }
}

void portable_gemm(const gemm *g) {
  lane_value panel[PANEL_K * PANEL_N];
  int64_t size = (int64_t)lane_size(g->lane);
  if (g->beta != 1) scale_rows(g);
  for (int64_t p = 0; p < g->k; p += PANEL_K)
    for (int64_t j = 0; j < g->n; j += PANEL_N) {
      int64_t k = smaller(g->k - p, PANEL_K), n = smaller(g->n - j, PANEL_N);
      fill_panel(g, p, k, j, n, (char *)panel);
      cpu_gemm_loops()->add[g->lane](g->m, n, k, g->alpha, (const char *)g->a + p * g->a_col * size, g->a_row,
                                     g->a_col, panel, (char *)g->c + j * size, g->c_row);
    }
}

void cpu_gemm(const gemm *g) {
  bool real_or_complex = g->lane != LANE_INT && g->lane != LANE_UINT;
  if (real_or_complex && blas_found() && blas_takes(g->m, g->k, g->a_row, g->a_col) &&
      blas_takes(g->k, g->n, g->b_row, g->b_col) && g->c_row <= INT32_MAX)
    blas_gemm(g);
  else
    portable_gemm(g);
}
