/* bidiagonal.c: a matrix as reflections about a bidiagonal one. Uses cpu/condensed.h.

   Columns and rows go by panels, in which A itself does not change: what the panel took from it so far is V YT + X U. A
   column becomes v of a reflection, then row c becomes u of one from the other side:

       y = tau (AT v - Y VT v - UT XT v)     row c -= y     x = tau' (A u - V YT u - X U u)

   u is row c but for its first element and a factor, and an element of y needs one column of A. So one pass over A
   (Howell et al. 2008), in pieces of columns that threads share, makes y, row c and A times row c. */
#include "backends/cpu/condensed.h"

enum { BLOCK = 8 /* columns that stay in the cache */, COLUMNS = 128 /* of a piece of A -= .. */ };

void bidiagonal_take_room(bidiagonal *t, workspace *w) {
  const size_t size = t->b->j->size;
  t->rows_pitch = condensed_pitch(t->m), t->columns_pitch = condensed_pitch(t->n);
  t->a = workspace_take(w, t->n * t->rows_pitch, size), t->v = workspace_take(w, t->n * t->rows_pitch, size);
  t->u = workspace_take(w, t->n * t->columns_pitch, size);
  t->vx = workspace_take(w, 2 * CONDENSED_PANEL * t->rows_pitch, size);
  t->yu = workspace_take(w, 2 * CONDENSED_PANEL * t->columns_pitch, size);
  t->parts = workspace_take(w, MOST_PARTS * t->rows_pitch, size);
  t->d = workspace_take(w, t->n, size), t->e = workspace_take(w, t->n, size);
  t->tau_v = workspace_take(w, t->n, size), t->tau_u = workspace_take(w, t->n, size);
}

/* Element i of vector k: of those as long as columns (v, x, A itself) and as rows (u, y). */
static char *down(const bidiagonal *t, char *x, int64_t k, int64_t i) {
  return at_element(t->b, x, k * t->rows_pitch + i);
}
static char *along(const bidiagonal *t, char *x, int64_t k, int64_t i) {
  return at_element(t->b, x, k * t->columns_pitch + i);
}
static char *x_row(const bidiagonal *t, int64_t k, int64_t i) {
  return down(t, t->vx, CONDENSED_PANEL + k, i);
}

/* y and row c, in columns of the piece, and what they add to A times row c. */
static void multiply_piece(void *context, int64_t piece) {
  const bidiagonal *t = context;
  const blocked *b = t->b;
  const int c = t->column, from = step_before(c), rows = step_behind(t->m) - from, start = step_before(c + 1);
  const int each = step_behind(pieces_of(t->n - start, t->pieces)),
            end = (int)smaller(start + (piece + 1) * each, t->n);
  char *part = down(t, t->parts, piece, from);
  double held[STEP] = {0};
  clear_row(b, rows, part);
  for (int k = piece == 0 ? c + 1 : start + (int)piece * each, next; k < end; k = next) {
    next = (int)smaller(k / BLOCK * BLOCK + BLOCK, end);
    char *y = along(t, t->yu, c - t->at, k), *r = along(t, t->u, c, k);
    dot_rows(b, next - k, rows, down(t, t->v, c, from), down(t, t->a, k, from), t->rows_pitch, y);
    memcpy(held, r, (size_t)(next - k) * b->j->size); /* behind it may be another thread's */
    add_sum(b, -t->step, 1, next - k, y, t->columns_pitch, (char *)held);
    memcpy(r, held, (size_t)(next - k) * b->j->size);
    add_rows(b, next - k, rows, r, down(t, t->a, k, from), t->rows_pitch, part);
  }
}

/* Column c as the panel's columns before it leave it, and the reflection of it. */
static void make_v(bidiagonal *t, int i) {
  const blocked *b = t->b;
  const int c = t->column, from = step_before(c), rows = step_behind(t->m) - from;
  char *v = down(t, t->v, c, from);
  memcpy(v, down(t, t->a, c, from), (size_t)rows * b->j->size);
  subtract_rows(b, i, rows, along(t, t->yu, 0, c), t->columns_pitch, down(t, t->v, t->at, from),
                t->rows_pitch, v);
  subtract_rows(b, i, rows, along(t, t->u, t->at, c), t->columns_pitch, x_row(t, 0, from), t->rows_pitch, v);
  t->step =
      reflection_make(b, down(t, t->v, c, 0), c, t->m, at_element(b, t->d, c), at_element(b, t->tau_v, c));
}

/* What the panel's columns before it take from y and row c: then the pass over A. */
static void make_y(bidiagonal *t, int i) {
  const blocked *b = t->b;
  const int c = t->column, from = step_before(c), rows = step_behind(t->m) - from;
  const int start = step_before(c + 1), columns = step_behind(t->n) - start;
  char *v = down(t, t->v, c, from), *y = along(t, t->yu, i, start), *r = along(t, t->u, c, start);
  const vectors vs = {down(t, t->v, t->at, from), t->rows_pitch, rows},
                xs = {x_row(t, 0, from), t->rows_pitch, rows};
  const vectors ys = {along(t, t->yu, 0, start), t->columns_pitch, columns};
  const vectors us = {along(t, t->u, t->at, start), t->columns_pitch, columns};
  clear_row(b, t->columns_pitch, along(t, t->yu, i, 0));
  add_projected(b, -1, i, v, &vs, &ys, y);
  add_projected(b, -1, i, v, &xs, &us, y);
  subtract_rows(b, i, columns, down(t, t->v, t->at, c), t->rows_pitch, ys.at, ys.pitch, r);
  subtract_rows(b, i, columns, x_row(t, 0, c), t->rows_pitch, us.at, us.pitch, r);
  t->pieces = condensed_pieces((int64_t)rows * columns);
  parallel_for(t->pieces, multiply_piece, t);
  scale_row(b, columns, t->step, y);
}

/* The reflection of row c, and x: u = (row c - kept e) / (row c's first element - kept). */
static void make_x(bidiagonal *t, int i) {
  const blocked *b = t->b;
  const int c = t->column, from = step_before(c + 1), rows = step_behind(t->m) - from,
            columns = step_behind(t->n) - from;
  char *u = along(t, t->u, c, from), *x = x_row(t, i, from);
  const vectors vs = {down(t, t->v, t->at, from), t->rows_pitch, rows},
                xs = {x_row(t, 0, from), t->rows_pitch, rows};
  const vectors ys = {along(t, t->yu, 0, from), t->columns_pitch, columns};
  const vectors us = {along(t, t->u, t->at, from), t->columns_pitch, columns};
  const double first = dtype_read(b->j->dtype, along(t, t->u, c, c + 1));
  const double tau = reflection_make(b, along(t, t->u, c, 0), c + 1, t->n, at_element(b, t->e, c),
                                     at_element(b, t->tau_u, c));
  clear_row(b, t->rows_pitch, x_row(t, i, 0));
  if (tau == 0) return;
  const double kept = dtype_read(b->j->dtype, at_element(b, t->e, c)), factor = tau / (first - kept);
  add_sum(b, factor, t->pieces, rows, down(t, t->parts, 0, from), t->rows_pitch, x);
  add_sum(b, -factor * kept, 1, rows, down(t, t->a, c + 1, from), t->rows_pitch, x);
  add_projected(b, -tau, i + 1, u, &ys, &vs, x);
  add_projected(b, -tau, i, u, &us, &xs, x);
}

static void factor_panel(bidiagonal *t, int width) {
  const placed rows = {down(t, t->a, t->at, t->at), 1, t->rows_pitch};
  placed_copy(t->b, width, t->n - t->at, rows, (placed){along(t, t->u, t->at, t->at), t->columns_pitch, 1});
  for (int i = 0; i < width; i++) {
    t->column = t->at + i;
    make_v(t, i);
    if (t->column + 1 == t->n) break;
    make_y(t, i);
    make_x(t, i);
  }
}

/* Columns of A -= V YT + X U: one product, of V beside X by YT above U. */
static void update_piece(void *context, int64_t piece) {
  const bidiagonal *t = context;
  const int start = t->at + CONDENSED_PANEL, first = start + (int)piece * COLUMNS,
            end = (int)smaller(first + COLUMNS, t->n);
  const placed left = {down(t, t->vx, 0, start), 1, t->rows_pitch},
               right = {along(t, t->yu, 0, first), t->columns_pitch, 1};
  placed_multiply(t->b, t->m - start, end - first, 2 * CONDENSED_PANEL, -1, left, right, 1,
                  (placed){down(t, t->a, first, start), 1, t->rows_pitch});
}

void bidiagonal_reduce(bidiagonal *t) {
  clear_ends(t->b, t->a, t->n, t->m, t->rows_pitch), clear_ends(t->b, t->v, t->n, t->m, t->rows_pitch);
  clear_ends(t->b, t->u, t->n, t->n, t->columns_pitch);
  for (t->at = 0; t->at < t->n; t->at += CONDENSED_PANEL) {
    const int width = (int)smaller(t->n - t->at, CONDENSED_PANEL), rest = t->n - t->at - width;
    factor_panel(t, width);
    if (!rest) break;
    memcpy(t->vx, down(t, t->v, t->at, 0), (size_t)(CONDENSED_PANEL * t->rows_pitch) * t->b->j->size);
    memcpy(along(t, t->yu, CONDENSED_PANEL, 0), along(t, t->u, t->at, 0),
           (size_t)(CONDENSED_PANEL * t->columns_pitch) * t->b->j->size);
    parallel_for(pieces_of(rest, COLUMNS), update_piece, t);
  }
}
