/* thin.c: products of few rows or few columns with a matrix, whose time is that of reading the matrix: language
   models make them, one token at a time. Uses cpu/gemm.h.

   Few columns are few rows of the transposed product, so that there are two cases: the matrix is read along the sum
   (dots) or across it (sums). Threads share the columns of the result, or parts of the sum where columns are few;
   parts are added in order. */
#include "backends/cpu/gemm.h"

enum {
  PART = 1 << 16,        /* elements of the matrix in a piece, about */
  COLUMNS_MOST = 1024,   /* of a piece */
  RESULTS_MOST = 4096,   /* of a piece, all rows together */
  DEPTH_LEAST = 64,      /* of a part of the sum */
  FEW_DOTS = 64,         /* columns below which the sum of dots is cut, too */
  FEW_ROWS = 2,          /* of x: they stay in L1 while a whole row of the matrix passes */
  CHUNK = 512            /* of the sum, for more rows */
};

typedef struct thin_job {
  const gemm *g;
  gemm_matrix w;      /* the large one, columns of the result along w.col */
  bool dots;
  int64_t rows, columns, k;
  const char *x;      /* lanes (rows, k) */
  int64_t x_row, size;
  int64_t out_row, out_col, addend_row, addend_col;
  int64_t width, depth, across; /* of a piece; pieces side by side */
  char *parts;        /* lanes (parts of k, rows, columns); NULL: there is one part */
} thin_job;

/* Is a matrix (k, n) one that the loops can read: 1 for dots, 2 for sums, 0 for no? */
static int way_of(const gemm_matrix *w, lane lane, int64_t k, int64_t n) {
  if (w->read || !cpu_thin_loops()->dots[w->dtype] || lane_of(w->dtype) != lane) return 0;
  return w->row == 1 || k == 1 ? 1 : w->col == 1 || n == 1 ? 2 : 0;
}

static gemm_matrix transposed(const gemm_matrix *x) {
  gemm_matrix t = *x;
  t.row = x->col, t.col = x->row;
  return t;
}

static bool has_few_rows(const gemm *g) {
  return g->m <= THIN_ROWS && !g->a.read && way_of(&g->b, g->lane, g->k, g->n);
}

static bool has_few_columns(const gemm *g) {
  const gemm_matrix a = transposed(&g->a);
  return g->n <= THIN_ROWS && !g->b.read && way_of(&a, g->lane, g->k, g->m);
}

bool gemm_is_thin(const gemm *g) {
  return (g->lane == LANE_FLOAT || g->lane == LANE_DOUBLE) && (has_few_rows(g) || has_few_columns(g));
}

/* ---- pieces ---- */

/* Lanes y, `pitch` apart, are the result from `column` on, but for factors and the addend. */
static void put(const thin_job *j, int64_t column, int64_t columns, char *y, int64_t pitch) {
  const gemm *g = j->g;
  const gemm_matrix *from = &g->addend;
  for (int64_t r = 0; r < j->rows; r++, y += pitch * j->size) {
    void *to = element(g->out.data, g->out.dtype, r * j->out_row + column * j->out_col);
    double old[COLUMNS_MOST];
    if (g->beta != 0 && from->data) {
      const void *at = element(from->data, from->dtype, r * j->addend_row + column * j->addend_col);
      cpu_lanes()->load[from->dtype](at, j->addend_col, columns, old);
    } else if (g->beta != 0) {
      cpu_lanes()->load[g->out.dtype](to, j->out_col, columns, old);
    }
    for (int64_t i = 0; i < columns && (g->alpha != 1 || g->beta != 0); i++) {
      if (g->lane == LANE_FLOAT) {
        float *x = (float *)(void *)y + i;
        *x = g->alpha * *x + (g->beta != 0 ? g->beta * ((const float *)(const void *)old)[i] : 0);
      } else {
        double *x = (double *)(void *)y + i;
        *x = (double)g->alpha * *x + (g->beta != 0 ? (double)g->beta * old[i] : 0);
      }
    }
    cpu_lanes()->store[g->out.dtype](y, columns, to, j->out_col);
  }
}

static void thin_piece(void *context, int64_t piece) {
  const thin_job *j = context;
  const int64_t part = piece / j->across, p = part * j->depth, column = piece % j->across * j->width;
  const int64_t columns = smaller(j->columns - column, j->width), pitch = (columns + 15) / 16 * 16;
  double y[RESULTS_MOST + 16 * THIN_ROWS];
  memset(y, 0, (size_t)(j->rows * pitch * j->size));
  const int64_t end = smaller(j->k, p + j->depth), some = j->rows > FEW_ROWS && j->dots ? CHUNK : j->depth;
  for (int64_t at = p; at < end; at += some) {
    const thin_part t = {.rows = j->rows,
                         .columns = columns,
                         .k = smaller(end - at, some),
                         .x = j->x + at * j->size,
                         .x_row = j->x_row,
                         .w = element(j->w.data, j->w.dtype, at * j->w.row + column * j->w.col),
                         .w_row = j->dots ? j->w.col : j->w.row,
                         .y = y,
                         .y_row = pitch};
    (j->dots ? cpu_thin_loops()->dots : cpu_thin_loops()->sums)[j->w.dtype](&t);
  }
  if (!j->parts) {
    put(j, column, columns, (char *)y, pitch);
    return;
  }
  for (int64_t r = 0; r < j->rows; r++)
    memcpy(j->parts + ((part * j->rows + r) * j->columns + column) * j->size, (char *)y + r * pitch * j->size,
           (size_t)(columns * j->size));
}

/* ---- the whole ---- */

static error *in_parts(thin_job *j, int64_t parts, const char *op) {
  error *why = NULL;
  const int64_t count = j->rows * j->columns;
  buffer *held = buffer_new((size_t)(parts * count * j->size), op, &why);
  if (!held) return why;
  j->parts = buffer_data(held);
  parallel_for(parts * j->across, thin_piece, j);
  cpu_reduce_loops()->columns[REDUCE_SUM][j->g->lane](j->parts + count * j->size, count, parts - 1, count, j->parts);
  for (int64_t c = 0; c < j->columns; c += COLUMNS_MOST)
    put(j, c, smaller(j->columns - c, COLUMNS_MOST), j->parts + c * j->size, j->columns);
  buffer_release(held);
  return NULL;
}

/* A piece reads the matrix as it lies: some columns along all of the sum, or part of the sum for many columns. */
static error *multiply(thin_job *j, const char *op) {
  const int64_t k = j->k < 1 ? 1 : j->k, most = smaller(COLUMNS_MOST, RESULTS_MOST / j->rows / 16 * 16);
  j->depth = k;
  if (j->dots) {
    if (j->columns < FEW_DOTS) j->depth = PART / j->columns;
    j->width = smaller(PART / smaller(k, j->depth) / DOT_COLUMNS * DOT_COLUMNS, most);
    if (j->width < DOT_COLUMNS) j->width = DOT_COLUMNS;
  } else {
    j->width = smaller(j->columns, j->rows > FEW_ROWS ? most / 64 * 16 : most); /* whole registers */
    j->depth = PART / j->width;
  }
  if (j->depth < DEPTH_LEAST) j->depth = DEPTH_LEAST;
  j->across = pieces_of(j->columns, j->width);
  const int64_t parts = pieces_of(j->k, j->depth);
  if (parts > 1) return in_parts(j, parts, op);
  parallel_for(j->across, thin_piece, j);
  return NULL;
}

error *gemm_thin(const gemm *g, const char *op) {
  const bool rows = has_few_rows(g) && (g->m <= g->n || !has_few_columns(g));
  gemm_matrix x = rows ? g->a : transposed(&g->b);
  thin_job j = {.g = g, .k = g->k, .size = (int64_t)lane_size(g->lane), .x_row = g->k};
  j.w = rows ? g->b : transposed(&g->a);
  j.rows = rows ? g->m : g->n, j.columns = rows ? g->n : g->m;
  j.out_row = rows ? g->out.row : g->out.col, j.out_col = rows ? g->out.col : g->out.row;
  j.addend_row = rows ? g->addend.row : g->addend.col, j.addend_col = rows ? g->addend.col : g->addend.row;
  j.dots = way_of(&j.w, g->lane, j.k, j.columns) == 1;
  error *why = NULL;
  buffer *held = NULL;
  if (x.col == 1 && lane_is_direct(x.dtype)) {
    j.x = x.data;
    j.x_row = x.row;
  } else {
    held = buffer_new((size_t)(j.rows * j.k * j.size), op, &why);
    if (!held) return why;
    gemm_read(&x, g->lane, 0, 0, j.rows, j.k, buffer_data(held), j.k);
    j.x = buffer_data(held);
  }
  why = multiply(&j, op);
  buffer_release(held);
  return why;
}
