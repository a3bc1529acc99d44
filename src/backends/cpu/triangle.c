/* triangle.c: the inverse of a triangle by blocks, so that nearly all of the work is products of matrices. LAPACK
   inverts blocks along the diagonal; then, of two neighbours each already inverted,

       [A 0; C D]^-1 = [A^-1 0; -D^-1 C A^-1  D^-1]

   with blocks twice as large each time. An upper triangle is a lower one with rows and columns exchanged. Uses
   cpu/placed.h. */
#include "backends/cpu/placed.h"

enum { BLOCK = 64, STEP = 128 };

int64_t triangle_room(int64_t n, int64_t *block) {
  *block = BLOCK * BLOCK;
  return n * ((n + 1) / 2);
}

/* The neighbours are `low` and `high` wide and begin at `first`. A product by a triangle goes by columns or rows of it, STEP
   at a time, without what is zero. */
static void join(blocked *b, placed x, placed y, int64_t first, int64_t low, int64_t high, void *room) {
  const int64_t second = first + low;
  const placed middle = {room, low, 1};
  for (int64_t i = 0; i < low; i += STEP)
    placed_multiply(b, high, smaller(low - i, STEP), low - i, 1, placed_at(b, x, second, first + i),
                    placed_at(b, y, first + i, first + i), 0, placed_at(b, middle, 0, i));
  for (int64_t i = 0, some; i < high; i += some) {
    some = smaller(high - i, STEP);
    placed_multiply(b, some, low, i + some, -1, placed_at(b, y, second + i, second), middle, 0,
                    placed_at(b, y, second + i, first));
  }
}

/* A block of the diagonal by LAPACK, through `room`, which has its columns; its info. */
static int invert_block(const blocked *b, bool unit, placed x, placed y, int n, void *room) {
  const placed block = {room, 1, n};
  int info = 0;
  placed_copy(b, n, n, x, block);
  b->j->f->trtri("L", unit ? "U" : "N", &n, room, &n, &info, 1, 1);
  if (info) return info;
  if (unit) placed_unit(b, n, n, block);
  placed_copy(b, n, n, block, y);
  return 0;
}

int triangle_invert(blocked *b, int64_t n, bool unit, placed x, placed y, void *block, void *middle) {
  for (int64_t i = 0; i < n; i += BLOCK) {
    const int info =
        invert_block(b, unit, placed_at(b, x, i, i), placed_at(b, y, i, i), (int)smaller(n - i, BLOCK), block);
    if (info) return info > 0 ? info + (int)i : info;
  }
  placed_clear_above(b, n, y);
  for (int64_t size = BLOCK; size < n; size *= 2)
    for (int64_t i = 0; i + size < n; i += 2 * size) join(b, x, y, i, size, smaller(n - i - size, size), middle);
  return atomic_load(&b->no_memory) ? MATRIX_NO_MEMORY : 0;
}

int triangle_inverse(const matrices *j, int64_t index, bool upper, workspace *w) {
  blocked b = {.j = j};
  int64_t block_size;
  const int64_t n = j->n, middle_size = triangle_room(n, &block_size);
  void *block = workspace_take(w, block_size, j->size), *middle = workspace_take(w, middle_size, j->size);
  if (!w->at || !n) return 0;
  placed x = placed_operand(&b, index), y = placed_result(&b, 0, index, n, n);
  if (upper) x = placed_turned(x), y = placed_turned(y);
  return triangle_invert(&b, n, false, x, y, block, middle);
}
