/* image.h: what the double of NVRTC gives out as machine code, and the double of the driver loads: a shared library, which
   is ELF as a cubin is and ends with its table of sections, then a head. Uses the C library alone. */
#ifndef IMAGE_H
#define IMAGE_H
#include <stdint.h>
#define IMAGE_MAGIC "\x7f" "double"
typedef struct image_head {
  char magic[8];
  uint64_t bytes; /* of the library */
  int32_t arch, is_ptx;
} image_head;
#endif
