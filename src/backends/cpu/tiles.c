/* tiles.c: strided elements copied to packed memory, by item size alone.

   A block whose rows lie together is first copied as it lies, then written row by row: whole cache lines at
   either end. Uses nothing. */
#include "backends/cpu/program.h"

/* Elements of a size, whatever their type. */
typedef uint8_t __attribute__((may_alias)) item1;
typedef uint16_t __attribute__((may_alias)) item2;
typedef uint32_t __attribute__((may_alias)) item4;
typedef uint64_t __attribute__((may_alias, aligned(4))) item8; /* complex64 is aligned as float32 */

#define COPIES(item)                                                                             \
  static void copy_##item(item *to, const item *from, int64_t stride, int64_t n) {               \
    if (stride == 1)                                                                             \
      for (int64_t i = 0; i < n; i++) to[i] = from[i];                                           \
    else if (stride == 0)                                                                        \
      for (int64_t i = 0; i < n; i++) to[i] = from[0];                                           \
    else                                                                                         \
      for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];                                  \
  }                                                                                              \
  static void copy_block_##item(item *to, int64_t to_stride, const item *from, const block *b) { \
    if (b->row_stride == 1 && b->column_stride != 1 && b->columns * b->rows <= BLOCK_MOST) {     \
      item kept[BLOCK_MOST];                                                                     \
      for (int64_t c = 0; c < b->columns; c++)                                                   \
        copy_##item(kept + c * b->rows, from + c * b->column_stride, 1, b->rows);                \
      for (int64_t r = 0; r < b->rows; r++)                                                      \
        for (int64_t c = 0; c < b->columns; c++) to[r * to_stride + c] = kept[c * b->rows + r];  \
    } else {                                                                                     \
      for (int64_t r = 0; r < b->rows; r++)                                                      \
        copy_##item(to + r * to_stride, from + r * b->row_stride, b->column_stride, b->columns); \
    }                                                                                            \
  }
COPIES(item1)
COPIES(item2)
COPIES(item4)
COPIES(item8)

void tile_copy(void *to, const void *from, int64_t stride, int64_t n, size_t item_size) {
  switch (item_size) {
    case 1: copy_item1(to, from, stride, n); break;
    case 2: copy_item2(to, from, stride, n); break;
    case 4: copy_item4(to, from, stride, n); break;
    default: copy_item8(to, from, stride, n); break;
  }
}

void tile_copy_block(void *to, int64_t to_stride, const void *from, const block *b, size_t item_size) {
  switch (item_size) {
    case 1: copy_block_item1(to, to_stride, from, b); break;
    case 2: copy_block_item2(to, to_stride, from, b); break;
    case 4: copy_block_item4(to, to_stride, from, b); break;
    default: copy_block_item8(to, to_stride, from, b); break;
  }
}
