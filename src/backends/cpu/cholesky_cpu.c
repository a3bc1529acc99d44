/* cholesky_cpu.c: "Cholesky", A = L LT: small matrices and complex ones by LAPACK, others by blocks. LAPACK factors a
   square on the diagonal and solves for the PANEL columns below it; products take it from the rest, in pieces of columns
   that threads share. The first piece is the next panel, which is factored as soon as it is ready. An upper factor is a
   lower one with rows and columns exchanged. Uses cpu/placed.h. */
#include "backends/cpu/placed.h"

enum { PANEL = 96, ACROSS = 96 /* columns of a piece */ };

typedef struct cholesky {
  blocked b;
  placed a;
  int n, at, width, next; /* columns of the panel that is factored; how many the next one has */
  void *square;
  int info;
} cholesky;

static bool by_blocks(const matrices *j) { return j->n >= FACTOR_BY_BLOCKS && !dtype_is_complex(j->dtype); }

static void factor_panel(cholesky *f, int at, int width) {
  const placed corner = placed_at(&f->b, f->a, at, at), square = {f->square, 1, width};
  const int below = at + width;
  int info = 0;
  placed_copy(&f->b, width, width, corner, square);
  f->b.j->f->potrf("L", &width, f->square, &width, &info, 1);
  if (info) {
    f->info = info > 0 ? at + info : info;
    return;
  }
  placed_copy(&f->b, width, width, square, corner);
  placed_solve(&f->b, width, f->n - below, false, false, corner, placed_turned(placed_at(&f->b, f->a, below, at)));
}

static void update(cholesky *f, int first, int count) {
  const placed rows = placed_at(&f->b, f->a, first, f->at);
  placed_multiply(&f->b, f->n - first, count, f->width, -1, rows, placed_turned(rows), 1,
                  placed_at(&f->b, f->a, first, first));
}

static void update_piece(void *context, int64_t piece) {
  cholesky *f = context;
  const int start = f->at + f->width;
  if (piece == 0) {
    update(f, start, f->next);
    factor_panel(f, start, f->next);
    return;
  }
  const int first = start + f->next + (int)(piece - 1) * ACROSS;
  update(f, first, (int)smaller(f->n - first, ACROSS));
}

static int factor(cholesky *f) {
  factor_panel(f, 0, PANEL);
  for (f->at = 0; !f->info && f->at + PANEL < f->n; f->at += f->width) {
    f->width = PANEL;
    f->next = (int)smaller(f->n - f->at - PANEL, PANEL);
    parallel_for(1 + pieces_of(f->n - f->at - PANEL - f->next, ACROSS), update_piece, f);
  }
  return atomic_load(&f->b.no_memory) ? MATRIX_NO_MEMORY : f->info;
}

static int cholesky_by_blocks(const matrices *j, int64_t index, bool upper, workspace *w) {
  cholesky f = {.b = {.j = j}, .n = j->n, .square = workspace_take(w, PANEL * PANEL, j->size)};
  if (!w->at) return 0;
  f.a = placed_result(&f.b, 0, index, j->n, j->n);
  placed_copy(&f.b, j->n, j->n, placed_operand(&f.b, index), f.a);
  if (upper) f.a = placed_turned(f.a);
  const int info = factor(&f);
  if (!info) placed_clear_above(&f.b, j->n, f.a);
  return info;
}

static int cholesky_one(const matrices *j, int64_t index, workspace *w) {
  const bool upper = ((const cholesky_params *)j->l->params)->upper;
  if (by_blocks(j)) return cholesky_by_blocks(j, index, upper, w);
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->n * j->n, j->size);
  if (!w->at || !j->n) return 0;
  matrix_load(j, index, a);
  j->f->potrf(upper ? "U" : "L", &j->n, a, &j->n, &info, 1);
  if (info) return info;
  matrix_store(j, 0, index, a, j->n, j->n, j->n);
  matrix_clear(j, 0, index, j->n, j->n, upper);
  return 0;
}

static error *not_definite(const matrices *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "%s (%d by %d) is not positive definite: its leading minor of order %d is not", which, j->n,
                 j->n, info);
}

error *cpu_cholesky(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "cholesky", l);
  j.factor = cholesky_one;
  j.explain = not_definite;
  return e ? e : matrices_run(&j);
}
