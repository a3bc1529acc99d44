/* reflections.c: joining reflections, and their products with matrices. Uses cpu/reflections.h. */
#include "backends/cpu/reflections.h"

/* Where columns of C have their room: pieces, of JOINED columns at least but for the last, lie apart, since a product's
   packing reads a few elements behind what it uses, and another thread writes there. */
enum { APART = 16 };
static int64_t room_of(int64_t column) { return column + column / JOINED * APART; }

void reflections_take_room(reflections *r, int64_t columns, workspace *w) {
  const size_t size = r->b->j->size;
  columns = room_of(columns) + APART;
  r->t = workspace_take(w, (int64_t)JOINED * (r->count + JOINED), size);
  r->first = (placed){workspace_take(w, JOINED * columns, size), columns, 1};
  r->second = (placed){workspace_take(w, JOINED * columns, size), columns, 1};
}

static placed t_at(const reflections *r, int at) {
  return (placed){r->t + (int64_t)at * JOINED * (int64_t)r->b->j->size, 1, reflections_width(r, at)};
}

void reflections_join(const reflections *r, int at) {
  const matrices *j = r->b->j;
  const int width = reflections_width(r, at);
  const placed v = placed_at(r->b, r->v, at, at), t = t_at(r, at);
  int info = 0;
  placed_multiply(r->b, width, width, r->rows - at, 1, placed_turned(v), v, 0, t);
  for (int i = 0; i < width; i++) {
    const double tau = dtype_read(j->dtype, r->tau + (size_t)(at + i) * j->size);
    dtype_write(j->dtype, placed_at(r->b, t, i, i).data, 1 / tau);
  }
  j->f->trtri("U", "N", &width, t.data, &width, &info, 1, 1);
  for (int i = 0; i < width; i++) /* what is below is left of VT V */
    memset(placed_at(r->b, t, i + 1, i).data, 0, (size_t)(width - i - 1) * j->size);
}

void reflections_meet(const reflections *r, int at, bool turned, placed c, int column, int count) {
  const int rows = r->rows - at, width = reflections_width(r, at);
  const placed v = placed_at(r->b, r->v, at, at), t = t_at(r, at), x = placed_at(r->b, c, at, column);
  const placed first = placed_at(r->b, r->first, 0, room_of(column));
  const placed second = placed_at(r->b, r->second, 0, room_of(column));
  placed_multiply(r->b, width, count, rows, 1, placed_turned(v), x, 0, first);
  placed_multiply(r->b, width, count, width, 1, turned ? placed_turned(t) : t, first, 0, second);
  placed_multiply(r->b, rows, count, width, -1, v, second, 1, x);
}

typedef struct product {
  const reflections *r;
  placed c;
  int columns;
} product;

static void join_piece(void *context, int64_t piece) { reflections_join(context, (int)piece * JOINED); }

static void multiply_piece(void *context, int64_t piece) {
  const product *p = context;
  const int column = (int)piece * REFLECTED, count = (int)smaller(p->columns - column, REFLECTED);
  for (int at = (p->r->count - 1) / JOINED * JOINED; at >= 0; at -= JOINED)
    reflections_meet(p->r, at, false, p->c, column, count);
}

void reflections_multiply(const reflections *r, placed c, int columns) {
  product p = {r, c, columns};
  if (!r->count) return;
  parallel_for(pieces_of(r->count, JOINED), join_piece, (void *)r);
  parallel_for(pieces_of(columns, REFLECTED), multiply_piece, &p);
}
