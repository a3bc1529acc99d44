/* tridiagonal.c: a symmetric matrix as reflections about a tridiagonal one. Uses cpu/condensed.h.

   Columns go by panels. A panel's column becomes v, of a reflection; then w = A v less what the panel's columns before it
   take from A, which is why A itself need not change until the panel is done:

       w = tau (A v - V WT v - W VT v),   w -= tau / 2 (w . v) v,   A -= V WT + W VT

   A v reads the lower triangle once, in pieces of rows that threads share: BLOCK rows are read for their products
   with v and, from the cache, for what they add to products above. Squares on the diagonal are kept whole for it. */
#include "backends/cpu/condensed.h"
#include <math.h>

enum { BLOCK = 8, SQUARE = 2 * BLOCK, ROWS = 128 /* of a piece of A -= .. */ };

void tridiagonal_take_room(tridiagonal *t, workspace *w) {
  const size_t size = t->b->j->size;
  const int64_t n = t->n;
  t->pitch = condensed_pitch(n);
  t->a = workspace_take(w, n * t->pitch, size), t->v = workspace_take(w, n * t->pitch, size);
  t->vw = workspace_take(w, 3 * CONDENSED_PANEL * t->pitch, size);
  t->parts = workspace_take(w, MOST_PARTS * t->pitch, size);
  t->d = workspace_take(w, n, size), t->e = workspace_take(w, n, size), t->tau = workspace_take(w, n, size);
}

static char *row_at(const tridiagonal *t, char *rows, int64_t r, int64_t c) {
  return at_element(t->b, rows, r * t->pitch + c);
}
static char *w_row(const tridiagonal *t, int64_t r, int64_t c) {
  return row_at(t, t->vw, CONDENSED_PANEL + r, c);
}

/* The first row of a piece: all have about as many elements. */
static int piece_begins(const tridiagonal *t, int64_t piece) {
  if (piece == t->pieces) return t->n;
  const int at = t->first + (int)((t->n - t->first) * sqrt((double)piece / t->pieces));
  return piece == 0 || at / BLOCK * BLOCK < t->first ? t->first : at / BLOCK * BLOCK;
}

static void multiply_piece(void *context, int64_t piece) {
  const tridiagonal *t = context;
  const int from = step_before(t->first), end = piece_begins(t, piece + 1);
  char *part = row_at(t, t->parts, piece, 0), *v = row_at(t, t->v, t->column, 0);
  clear_row(t->b, step_behind(t->n) - from, at_element(t->b, part, from));
  for (int r = piece_begins(t, piece), next; r < end; r = next) {
    const int square = r / SQUARE * SQUARE;
    next = (int)smaller(r / BLOCK * BLOCK + BLOCK, end);
    dot_rows(t->b, next - r, square + SQUARE - from, at_element(t->b, v, from), row_at(t, t->a, r, from),
             t->pitch, at_element(t->b, part, r));
    add_rows(t->b, next - r, square - from, at_element(t->b, v, r), row_at(t, t->a, r, from), t->pitch,
             at_element(t->b, part, from));
  }
}

/* Row i of w, of the column in work. */
static void make_w(tridiagonal *t, int i, double tau) {
  const blocked *b = t->b;
  const int from = step_before(t->first), n = step_behind(t->n) - from;
  char *v = row_at(t, t->v, t->column, from), *w = w_row(t, i, from);
  const vectors vs = {row_at(t, t->v, t->at, from), t->pitch, n}, ws = {w_row(t, 0, from), t->pitch, n};
  t->pieces = condensed_pieces((int64_t)n * n / 2);
  parallel_for(t->pieces, multiply_piece, t);
  clear_row(b, t->pitch, w_row(t, i, 0));
  add_sum(b, tau, t->pieces, n, row_at(t, t->parts, 0, from), t->pitch, w);
  add_projected(b, -tau, i, v, &ws, &vs, w);
  add_projected(b, -tau, i, v, &vs, &ws, w);
  add_projected(b, -tau / 2, 1, v, &(vectors){w, t->pitch, n}, &(vectors){v, t->pitch, n}, w);
}

/* Column c = at + i of A, which lies where its vector will be, as the panel's columns before it leave it. */
static void take_column(const tridiagonal *t, int i) {
  const int c = t->at + i, from = step_before(c), n = step_behind(t->n) - from;
  char *to = row_at(t, t->v, c, from);
  subtract_rows(t->b, i, n, w_row(t, 0, c), t->pitch, row_at(t, t->v, t->at, from), t->pitch, to);
  subtract_rows(t->b, i, n, row_at(t, t->v, t->at, c), t->pitch, w_row(t, 0, from), t->pitch, to);
}

static void factor_panel(tridiagonal *t, int width) {
  const blocked *b = t->b;
  const placed columns = {row_at(t, t->a, t->at, t->at), t->pitch, 1},
               vectors = {row_at(t, t->v, t->at, t->at), 1, t->pitch};
  placed_copy(b, t->n - t->at, width, columns, vectors);
  for (int i = 0; i < width; i++) {
    t->column = t->at + i, t->first = t->column + 1;
    take_column(t, i);
    memcpy(at_element(b, t->d, t->column), row_at(t, t->v, t->column, t->column), b->j->size);
    if (t->first == t->n) break;
    const double tau = reflection_make(b, row_at(t, t->v, t->column, 0), t->first, t->n,
                                       at_element(b, t->e, t->column), at_element(b, t->tau, t->column));
    make_w(t, i, tau);
  }
}

/* Rows of A -= V WT + W VT as far as the diagonal: one product, of V beside W by W above V. */
static void update_piece(void *context, int64_t piece) {
  const tridiagonal *t = context;
  const int start = t->at + CONDENSED_PANEL, first = start + (int)piece * ROWS,
            end = (int)smaller(first + ROWS, t->n);
  const placed left = {row_at(t, t->vw, 0, first), 1, t->pitch}, right = {w_row(t, 0, start), t->pitch, 1};
  placed_multiply(t->b, end - first, end - start, 2 * CONDENSED_PANEL, -1, left, right, 1,
                  (placed){row_at(t, t->a, first, start), t->pitch, 1});
}

static void mirror_squares(const tridiagonal *t) {
  for (int r = 0; r < t->n; r++)
    for (int c = r / SQUARE * SQUARE; c < r; c++)
      memcpy(row_at(t, t->a, c, r), row_at(t, t->a, r, c), t->b->j->size);
}

void tridiagonal_reduce(tridiagonal *t) {
  const size_t panel = (size_t)(CONDENSED_PANEL * t->pitch) * t->b->j->size;
  mirror_squares(t);
  clear_ends(t->b, t->a, t->n, t->n, t->pitch), clear_ends(t->b, t->v, t->n, t->n, t->pitch);
  for (t->at = 0; t->at < t->n; t->at += CONDENSED_PANEL) {
    const int width = (int)smaller(t->n - t->at, CONDENSED_PANEL), rest = t->n - t->at - width;
    factor_panel(t, width);
    if (!rest) break;
    memcpy(t->vw, row_at(t, t->v, t->at, 0), panel);
    memcpy(row_at(t, t->vw, 2 * CONDENSED_PANEL, 0), row_at(t, t->v, t->at, 0), panel);
    parallel_for(pieces_of(rest, ROWS), update_piece, t);
  }
}
