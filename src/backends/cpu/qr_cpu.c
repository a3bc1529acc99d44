/* qr_cpu.c: "QRF", A = Q R, reduced: small matrices and complex ones by LAPACK, others by blocks. LAPACK makes
   reflections of JOINED columns at a time, which the rest meets as products, in pieces of columns that threads share.
   The first piece is the next panel, whose reflections are made as soon as it is ready. Q is the reflections, last ones
   first, of the identity. Uses cpu/qr.h. */
#include "backends/cpu/qr.h"

static bool by_blocks(const matrices *j) { return j->k >= FACTOR_BY_BLOCKS && !dtype_is_complex(j->dtype); }

/* A reflection that is none has tau 0: its vector is taken to be 0. */
static void drop_empty(const qr *f, int at, int width, placed panel) {
  const matrices *j = f->b->j;
  for (int i = 0; i < width; i++) {
    char *tau = f->r.tau + (size_t)(at + i) * j->size;
    if (dtype_read(j->dtype, tau) != 0) continue;
    memset(placed_at(f->b, panel, 0, i).data, 0, (size_t)(f->r.rows - at) * j->size);
    dtype_write(j->dtype, tau, 1);
  }
}

static void factor_panel(qr *f, int at) {
  const matrices *j = f->b->j;
  const int rows = f->r.rows - at, width = reflections_width(&f->r, at);
  const placed panel = {f->panel, 1, rows}, there = placed_at(f->b, f->a, at, at);
  int info = 0;
  placed_copy(f->b, rows, width, there, panel);
  j->f->geqrf(&rows, &width, f->panel, &rows, f->r.tau + (size_t)at * j->size, f->work, &j->lwork, &info);
  placed_copy(f->b, width, width, panel, there);
  placed_unit(f->b, rows, width, panel);
  drop_empty(f, at, width, panel);
  placed_copy(f->b, rows, width, panel, placed_at(f->b, f->r.v, at, at));
  reflections_join(&f->r, at);
}

static void update_piece(void *context, int64_t piece) {
  qr *f = context;
  const int start = f->at + f->width;
  if (f->next && piece-- == 0) {
    reflections_meet(&f->r, f->at, true, f->a, start, f->next);
    factor_panel(f, start);
    return;
  }
  const int column = start + f->next + (int)piece * REFLECTED;
  reflections_meet(&f->r, f->at, true, f->a, column, (int)smaller(f->n - column, REFLECTED));
}

static void q_piece(void *context, int64_t piece) {
  qr *f = context;
  const int column = f->at + (int)piece * REFLECTED;
  reflections_meet(&f->r, f->at, false, f->q, column, (int)smaller(f->r.count - column, REFLECTED));
}

void qr_factor(qr *f) {
  factor_panel(f, 0);
  for (f->at = 0; f->at < f->r.count; f->at += f->width) {
    f->width = reflections_width(&f->r, f->at);
    f->next = reflections_width(&f->r, f->at + f->width);
    parallel_for((f->next > 0) + pieces_of(f->n - f->at - f->width - f->next, REFLECTED), update_piece, f);
  }
}

static void form_q(qr *f) {
  const int k = f->r.count;
  memset(f->q.data, 0, (size_t)f->r.rows * (size_t)k * f->b->j->size);
  for (int i = 0; i < k; i++) dtype_write(f->b->j->dtype, placed_at(f->b, f->q, i, i).data, 1);
  for (f->at = (k - 1) / JOINED * JOINED; f->at >= 0; f->at -= JOINED)
    parallel_for(pieces_of(k - f->at, REFLECTED), q_piece, f);
}

void qr_take_room(qr *f, blocked *b, int m, int n, workspace *w) {
  const size_t size = b->j->size;
  const int k = (int)smaller(m, n);
  *f = (qr){.b = b, .r = {.b = b, .rows = m, .count = k}, .n = n};
  f->a = (placed){workspace_take(w, (int64_t)m * n, size), n, 1};
  f->r.v = (placed){workspace_take(w, (int64_t)m * k, size), k, 1};
  f->r.tau = workspace_take(w, k, size);
  f->panel = workspace_take(w, (int64_t)JOINED * m, size);
  f->work = workspace_take(w, b->j->lwork, size);
}

static int qr_by_blocks(const matrices *j, int64_t index, workspace *w) {
  blocked b = {.j = j};
  qr f;
  qr_take_room(&f, &b, j->m, j->n, w);
  reflections_take_room(&f.r, j->n, w);
  if (!w->at) return 0;
  placed_copy(&b, j->m, j->n, placed_operand(&b, index), f.a);
  qr_factor(&f);
  placed_copy(&b, j->k, j->n, f.a, placed_result(&b, 1, index, j->k, j->n));
  matrix_clear(j, 1, index, j->k, j->n, true);
  f.q = placed_result(&b, 0, index, j->m, j->k);
  form_q(&f);
  return atomic_load(&b.no_memory) ? MATRIX_NO_MEMORY : 0;
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
