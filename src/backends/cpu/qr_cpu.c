/* qr_cpu.c: "QRF", A = Q R, reduced: small matrices and complex ones by LAPACK, others by blocks. LAPACK makes reflections
   of PANEL columns at a time; together they are (Schreiber and Van Loan 1989)

       I - V T VT,   where T^-1 has the upper part of VT V and 1 / tau on its diagonal

   which the rest meets as products, in pieces of columns that threads share. The first piece is the next panel, whose
   reflections are made as soon as it is ready. Q is the reflections, last ones first, of the identity. Uses
   cpu/placed.h. */
#include "backends/cpu/placed.h"

enum { PANEL = 64, ACROSS = 128 /* columns of a piece */ };

typedef struct qr {
  blocked b;
  int m, n, k;
  int at, width, next;     /* columns of the panel in work; how many the next one has */
  placed a, v;             /* A, then R; V, of all panels: (m, k) */
  char *t, *tau, *panel, *work; /* t: of each panel, in columns */
  placed first, second;    /* VT C and T VT C: (PANEL, n) */
  placed q;
} qr;

static bool by_blocks(const matrices *j) { return j->k >= FACTOR_BY_BLOCKS && !dtype_is_complex(j->dtype); }

static placed t_at(const qr *f, int at, int width) {
  return (placed){f->t + (int64_t)at * PANEL * (int64_t)f->b.j->size, 1, width};
}

/* A reflection that is none has tau 0: its vector is taken to be 0. */
static void drop_empty(qr *f, placed panel, int rows, int width) {
  const matrices *j = f->b.j;
  for (int i = 0; i < width; i++) {
    char *tau = f->tau + (size_t)i * j->size;
    if (dtype_read(j->dtype, tau) != 0) continue;
    memset(placed_at(&f->b, panel, 0, i).data, 0, (size_t)rows * j->size);
    dtype_write(j->dtype, tau, 1);
  }
}

static void factor_panel(qr *f, int at, int width) {
  const matrices *j = f->b.j;
  const int rows = f->m - at;
  const placed panel = {f->panel, 1, rows}, v = placed_at(&f->b, f->v, at, at), t = t_at(f, at, width);
  int info = 0;
  placed_copy(&f->b, rows, width, placed_at(&f->b, f->a, at, at), panel);
  j->f->geqrf(&rows, &width, f->panel, &rows, f->tau, f->work, &j->lwork, &info);
  placed_copy(&f->b, width, width, panel, placed_at(&f->b, f->a, at, at));
  placed_unit(&f->b, rows, width, panel);
  drop_empty(f, panel, rows, width);
  placed_copy(&f->b, rows, width, panel, v);
  placed_multiply(&f->b, width, width, rows, 1, placed_turned(v), v, 0, t);
  for (int i = 0; i < width; i++)
    dtype_write(j->dtype, placed_at(&f->b, t, i, i).data, 1 / dtype_read(j->dtype, f->tau + (size_t)i * j->size));
  j->f->trtri("U", "N", &width, t.data, &width, &info, 1, 1);
  for (int i = 0; i < width; i++) /* what is below is left of VT V */
    memset(placed_at(&f->b, t, i + 1, i).data, 0, (size_t)(width - i - 1) * j->size);
}

/* C = (I - V T VT) C, or with TT, for columns of c from `column` on. */
static void reflect(qr *f, bool turned, placed c, int column, int count) {
  const int rows = f->m - f->at;
  const placed v = placed_at(&f->b, f->v, f->at, f->at), t = t_at(f, f->at, f->width), x = placed_at(&f->b, c, f->at, column);
  const placed first = placed_at(&f->b, f->first, 0, column), second = placed_at(&f->b, f->second, 0, column);
  placed_multiply(&f->b, f->width, count, rows, 1, placed_turned(v), x, 0, first);
  placed_multiply(&f->b, f->width, count, f->width, 1, turned ? placed_turned(t) : t, first, 0, second);
  placed_multiply(&f->b, rows, count, f->width, -1, v, second, 1, x);
}

static void update_piece(void *context, int64_t piece) {
  qr *f = context;
  const int start = f->at + f->width;
  if (f->next && piece-- == 0) {
    reflect(f, true, f->a, start, f->next);
    factor_panel(f, start, f->next);
    return;
  }
  const int column = start + f->next + (int)piece * ACROSS;
  reflect(f, true, f->a, column, (int)smaller(f->n - column, ACROSS));
}

static void q_piece(void *context, int64_t piece) {
  qr *f = context;
  const int column = f->at + (int)piece * ACROSS;
  reflect(f, false, f->q, column, (int)smaller(f->k - column, ACROSS));
}

static int width_at(const qr *f, int at) { return at < f->k ? (int)smaller(f->k - at, PANEL) : 0; }

static void factor(qr *f) {
  factor_panel(f, 0, width_at(f, 0));
  for (f->at = 0; f->at < f->k; f->at += f->width) {
    f->width = width_at(f, f->at);
    f->next = width_at(f, f->at + f->width);
    parallel_for((f->next > 0) + pieces_of(f->n - f->at - f->width - f->next, ACROSS), update_piece, f);
  }
}

static void form_q(qr *f) {
  const size_t size = f->b.j->size;
  memset(f->q.data, 0, (size_t)f->m * (size_t)f->k * size);
  for (int i = 0; i < f->k; i++) dtype_write(f->b.j->dtype, placed_at(&f->b, f->q, i, i).data, 1);
  for (f->at = (f->k - 1) / PANEL * PANEL; f->at >= 0; f->at -= PANEL) {
    f->width = width_at(f, f->at);
    parallel_for(pieces_of(f->k - f->at, ACROSS), q_piece, f);
  }
}

static int qr_by_blocks(const matrices *j, int64_t index, workspace *w) {
  qr f = {.b = {.j = j}, .m = j->m, .n = j->n, .k = j->k};
  f.a = (placed){workspace_take(w, (int64_t)j->m * j->n, j->size), j->n, 1};
  f.v = (placed){workspace_take(w, (int64_t)j->m * j->k, j->size), j->k, 1};
  f.first = (placed){workspace_take(w, (int64_t)PANEL * j->n, j->size), j->n, 1};
  f.second = (placed){workspace_take(w, (int64_t)PANEL * j->n, j->size), j->n, 1};
  f.panel = workspace_take(w, (int64_t)PANEL * j->m, j->size);
  f.t = workspace_take(w, (int64_t)PANEL * (j->k + PANEL), j->size);
  f.tau = workspace_take(w, PANEL, j->size), f.work = workspace_take(w, j->lwork, j->size);
  if (!w->at) return 0;
  placed_copy(&f.b, j->m, j->n, placed_operand(&f.b, index), f.a);
  factor(&f);
  placed_copy(&f.b, j->k, j->n, f.a, placed_result(&f.b, 1, index, j->k, j->n));
  matrix_clear(j, 1, index, j->k, j->n, true);
  f.q = placed_result(&f.b, 0, index, j->m, j->k);
  form_q(&f);
  return atomic_load(&f.b.no_memory) ? MATRIX_NO_MEMORY : 0;
}

static int qr_one(const matrices *j, int64_t index, workspace *w) {
  if (by_blocks(j)) return qr_by_blocks(j, index, w);
  int info = 0;
  void *a = workspace_take(w, (int64_t)j->m * j->n, j->size), *tau = workspace_take(w, j->k, j->size),
       *work = workspace_take(w, j->lwork, j->size);
  if (!w->at || j->k == 0) return 0;
  matrix_load(j, index, a);
  j->f->geqrf(&j->m, &j->n, a, &j->m, tau, work, &j->lwork, &info);
  if (info) return info;
  matrix_store(j, 1, index, a, j->k, j->n, j->m);
  matrix_clear(j, 1, index, j->k, j->n, true);
  j->f->orgqr(&j->m, &j->k, &j->k, a, &j->m, tau, work, &j->lwork, &info);
  matrix_store(j, 0, index, a, j->m, j->k, j->m);
  return info;
}

error *cpu_qr(const launch *l) {
  matrices j;
  error *e = matrices_of(&j, "qr", l);
  if (e) return e;
  int info = 0, query = -1, for_q = 1;
  double answer = 0;
  j.factor = qr_one;
  if (j.k) {
    j.f->geqrf(&j.m, &j.n, &answer, &j.m, &answer, &answer, &query, &info);
    e = matrices_lwork(&j, &j.lwork, &answer, j.n);
    if (e) return e;
    j.f->orgqr(&j.m, &j.k, &j.k, &answer, &j.m, &answer, &answer, &query, &info);
    e = matrices_lwork(&j, &for_q, &answer, j.k);
    if (e) return e;
    if (for_q > j.lwork) j.lwork = for_q;
  }
  return matrices_run(&j);
}
