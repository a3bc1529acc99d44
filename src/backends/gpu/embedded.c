/* embedded.c: texts that the library holds, as cmake/embed.cmake writes them: compressed, for they are read once per kernel and would be a
   seventh of the library. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <stdlib.h>
#include <zlib.h>

static bool unpack(const char *from, size_t packed, char *to, size_t size) {
  z_stream z = {.next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)packed, .next_out = (Bytef *)to, .avail_out = (uInt)size};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return false; /* without a header */
  const bool fine = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == size;
  inflateEnd(&z);
  return fine;
}

void gpu_add_text(text *t, const char *held) {
  if (*held != 1) {
    text_add_string(t, held);
    return;
  }
  char *at;
  const size_t packed = strtoul(held + 1, &at, 10), size = strtoul(at, &at, 10);
  char *plain = mem_alloc(size);
  if (plain && unpack(at + 1, packed, plain, size)) text_add_bytes(t, plain, size);
  else t->failed = true;
  mem_free(plain);
}
