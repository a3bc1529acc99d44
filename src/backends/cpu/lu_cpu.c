/* lu_cpu.c: "LUF" and the inverse of whole matrices: small ones by LAPACK, large ones by blocks. LAPACK factors PANEL
   columns at a time; then the rest follows, nearly all of it by products:

       [L1 0] [U1 U2  ]     L1 U2 = A2      rest = A3 - L2 U2
       [L2 1] [   rest]

   in pieces of columns that threads share. The first piece is the next panel, which is factored as soon as it is ready:
   others are still at the rest meanwhile. Sums are cut by sizes alone, whatever the number of threads. Uses
   cpu/placed.h. */
#include "backends/cpu/placed.h"

enum { PANEL = 96, ACROSS = 256 /* columns of a piece */ };

typedef struct lu {
  blocked b;
  placed a; /* its rows are neighbours */
  int m, n, k;
  int *pivots;         /* row i was exchanged with row pivots[i] */
  int at, width, next; /* columns of the panel that is factored; how many the next one has */
  void *panel;         /* columns of a panel */
  int info;            /* the first zero on U's diagonal, counted from 1 */
} lu;

static void take_room(lu *f, const matrices *j, workspace *w) {
  f->b.j = j, f->m = j->m, f->n = j->n, f->k = j->k;
  f->panel = workspace_take(w, (int64_t)PANEL * j->m, j->size);
  f->pivots = workspace_take(w, j->k, sizeof *f->pivots);
}

static void exchange_rows(const lu *f, int from, int to, int64_t first, int64_t count) {
  const size_t bytes = (size_t)count * f->b.j->size;
  char held[1024];
  for (int i = from; i < to; i++) {
    char *x = placed_at(&f->b, f->a, i, first).data, *y = placed_at(&f->b, f->a, f->pivots[i], first).data;
    if (x == y) continue;
    for (size_t at = 0; at < bytes; at += sizeof held) {
      const size_t some = bytes - at < sizeof held ? bytes - at : sizeof held;
      memcpy(held, x + at, some);
      memcpy(x + at, y + at, some);
      memcpy(y + at, held, some);
    }
  }
}

static void factor_panel(lu *f, int at, int width) {
  const matrices *j = f->b.j;
  const int rows = f->m - at;
  const placed panel = {f->panel, 1, rows}, there = placed_at(&f->b, f->a, at, at);
  int info = 0;
  placed_copy(&f->b, rows, width, there, panel);
  j->f->getrf(&rows, &width, f->panel, &rows, f->pivots + at, &info);
  placed_copy(&f->b, rows, width, panel, there);
  for (int i = at; i < at + width; i++) f->pivots[i] += at - 1;
  if (info > 0 && !f->info) f->info = at + info;
}

static void update(lu *f, int first, int count) {
  const int below = f->at + f->width;
  const placed l1 = placed_at(&f->b, f->a, f->at, f->at), a2 = placed_at(&f->b, f->a, f->at, first);
  exchange_rows(f, f->at, below, first, count);
  placed_solve(&f->b, f->width, count, false, true, l1, a2);
  placed_multiply(&f->b, f->m - below, count, f->width, -1, placed_at(&f->b, f->a, below, f->at), a2, 1,
                  placed_at(&f->b, f->a, below, first));
}

static void update_piece(void *context, int64_t piece) {
  lu *f = context;
  const int start = f->at + f->width;
  if (f->next && piece-- == 0) {
    update(f, start, f->next);
    factor_panel(f, start, f->next);
    return;
  }
  const int first = start + f->next + (int)piece * ACROSS;
  update(f, first, (int)smaller(f->n - first, ACROSS));
}

/* Rows of L's panels follow the exchanges that came after them. */
static void exchange_piece(void *context, int64_t piece) {
  const lu *f = context;
  const int first = (int)piece * PANEL, end = (int)smaller(first + PANEL, f->k);
  exchange_rows(f, end, f->k, first, end - first);
}

static int width_at(const lu *f, int at) { return at < f->k ? (int)smaller(f->k - at, PANEL) : 0; }

/* f->a becomes its factors; 0, or MATRIX_NO_MEMORY. */
static int factor(lu *f) {
  factor_panel(f, 0, width_at(f, 0));
  for (f->at = 0; f->at < f->k; f->at += f->width) {
    f->width = width_at(f, f->at);
    f->next = width_at(f, f->at + f->width);
    const int rest = f->n - f->at - f->width - f->next;
    parallel_for((f->next > 0) + pieces_of(rest, ACROSS), update_piece, f);
  }
  parallel_for(pieces_of(f->k, PANEL), exchange_piece, f);
  return atomic_load(&f->b.no_memory) ? MATRIX_NO_MEMORY : 0;
}

/* Where each row of L U was in A. */
static void order_of(const int *pivots, int k, int m, int *order) {
  for (int i = 0; i < m; i++) order[i] = i;
  for (int i = 0; i < k; i++) {
    const int held = order[i];
    order[i] = order[pivots[i]];
    order[pivots[i]] = held;
  }
}

/* ---- LUF ---- */

static bool by_blocks(const matrices *j) { return j->k >= FACTOR_BY_BLOCKS; }

static int factor_small(const matrices *j, int64_t index, char *a, int *pivots) {
  int info = 0;
  if (!j->k) return 0;
  matrix_load(j, index, a);
  j->f->getrf(&j->m, &j->n, (void *)a, &j->m, pivots, &info);
  for (int i = 0; i < j->k; i++) pivots[i]--;
  if (info >= 0) matrix_store(j, 0, index, a, j->m, j->n, j->m);
  return info < 0 ? info : 0;
}

static int lu_one(const matrices *j, int64_t index, workspace *w) {
  lu f = {.b = {.j = j}};
  int *order = workspace_take(w, j->m, sizeof *order), *pivots = NULL, info;
  char *a = NULL;
  if (by_blocks(j)) {
    take_room(&f, j, w);
    pivots = f.pivots;
  } else {
    a = workspace_take(w, (int64_t)j->m * j->n, j->size);
    pivots = workspace_take(w, j->k, sizeof *pivots);
  }
  if (!w->at) return 0;
  if (by_blocks(j)) {
    f.a = placed_result(&f.b, 0, index, j->m, j->n);
    placed_copy(&f.b, j->m, j->n, placed_operand(&f.b, index), f.a);
    info = factor(&f);
  } else {
    info = factor_small(j, index, a, pivots);
  }
  if (info) return info;
  uint32_t *to = matrix_result(j, 1, index, j->k), *rows = matrix_result(j, 2, index, j->m);
  for (int i = 0; i < j->k; i++) to[i] = (uint32_t)pivots[i];
  order_of(pivots, j->k, j->m, order);
  for (int i = 0; i < j->m; i++) rows[order[i]] = (uint32_t)i;
  return 0;
}

error *cpu_lu(const launch *l) { /* a zero on U's diagonal is no error: U shows it */
  matrices j;
  error *e = matrices_of(&j, "lu", l);
  j.factor = lu_one;
  return e ? e : matrices_run(&j);
}

/* ---- the inverse of a whole matrix: U^-1 times L^-1 with its columns in order again ---- */

typedef struct whole_inverse {
  lu f;
  placed lower, out; /* lower: L^-1 */
  const int *order;
} whole_inverse;

static void reorder_piece(void *context, int64_t piece) {
  const whole_inverse *v = context;
  const blocked *b = &v->f.b;
  const int64_t n = v->f.n, first = piece * PANEL, size = (int64_t)b->j->size;
  for (int64_t i = first; i < smaller(first + PANEL, n); i++) {
    const char *from = placed_at(b, v->lower, i, 0).data;
    char *to = placed_at(b, v->out, i, 0).data;
    for (int64_t k = 0; k < n; k++) memcpy(to + v->order[k] * size, from + k * size, (size_t)size);
  }
}

static void solve_piece(void *context, int64_t piece) {
  whole_inverse *v = context;
  const int first = (int)piece * ACROSS;
  placed_solve(&v->f.b, v->f.n, (int)smaller(v->f.n - first, ACROSS), true, false, v->f.a,
               placed_at(&v->f.b, v->out, 0, first));
}

static int inverse_by_blocks(const matrices *j, int64_t index, workspace *w) {
  whole_inverse v = {.f = {.b = {.j = j}}};
  const int64_t n = j->n;
  take_room(&v.f, j, w);
  int64_t block_size;
  const int64_t middle_size = triangle_room(n, &block_size);
  void *block = workspace_take(w, block_size, j->size), *middle = workspace_take(w, middle_size, j->size);
  v.f.a = (placed){workspace_take(w, n * n, j->size), n, 1};
  v.lower = (placed){workspace_take(w, n * n, j->size), n, 1};
  int *order = workspace_take(w, n, sizeof *order);
  if (!w->at) return 0;
  placed_copy(&v.f.b, n, n, placed_operand(&v.f.b, index), v.f.a);
  int info = factor(&v.f);
  if (!info) info = v.f.info;
  if (!info) info = triangle_invert(&v.f.b, n, true, v.f.a, v.lower, block, middle);
  if (info) return info;
  order_of(v.f.pivots, j->n, j->n, order);
  v.order = order, v.out = placed_result(&v.f.b, 0, index, n, n);
  parallel_for(pieces_of(n, PANEL), reorder_piece, &v);
  parallel_for(pieces_of(n, ACROSS), solve_piece, &v);
  return atomic_load(&v.f.b.no_memory) ? MATRIX_NO_MEMORY : 0;
}

int whole_inverse_of(const matrices *j, int64_t index, workspace *w) {
  if (by_blocks(j)) return inverse_by_blocks(j, index, w);
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size), *work = workspace_take(w, j->lwork, j->size);
  int *pivots = workspace_take(w, j->n, sizeof *pivots);
  if (!w->at || !j->n) return 0;
  matrix_load(j, index, a);
  j->f->getrf(&j->n, &j->n, a, &j->n, pivots, &info);
  if (!info) j->f->getri(&j->n, a, &j->n, pivots, work, &j->lwork, &info);
  if (!info) matrix_store(j, 0, index, a, j->n, j->n, j->n);
  return info;
}
