/* tiles.c: strided elements copied to packed memory, by item size alone. Uses nothing. */
#include "backends/cpu/program.h"

/* Elements of a size, whatever their type. */
typedef uint8_t __attribute__((may_alias)) item1;
typedef uint16_t __attribute__((may_alias)) item2;
typedef uint32_t __attribute__((may_alias)) item4;
typedef uint64_t __attribute__((may_alias, aligned(4))) item8; /* complex64 is aligned as float32 */
typedef struct item16 {
  item8 part[2];
} item16;

#define COPIES(item)                                                                             \
  static void copy_##item(item *to, const item *from, int64_t stride, int64_t n) {               \
    if (stride == 1)                                                                             \
      for (int64_t i = 0; i < n; i++) to[i] = from[i];                                           \
    else if (stride == 0)                                                                        \
      for (int64_t i = 0; i < n; i++) to[i] = from[0];                                           \
    else                                                                                         \
      for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];                                  \
  }
COPIES(item1)
COPIES(item2)
COPIES(item4)
COPIES(item8)
COPIES(item16)

void tile_copy(void *to, const void *from, int64_t stride, int64_t n, size_t item_size) {
  switch (item_size) {
    case 1: copy_item1(to, from, stride, n); break;
    case 2: copy_item2(to, from, stride, n); break;
    case 4: copy_item4(to, from, stride, n); break;
    case 8: copy_item8(to, from, stride, n); break;
    default: copy_item16(to, from, stride, n); break;
  }
}
