/* pieces.c: memory of one plan, taken piece by piece and freed together. Uses base/. */
#include "plan/plan.h"

struct pool_block {
  pool_block *before;
  size_t bytes; /* keeps what follows 16-byte aligned */
};

enum { POOL_FIRST = 4096, POOL_GREATEST = 1 << 20 };

void *pool_new(pool *p, size_t bytes) {
  bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
  if (p->room - p->used < bytes) {
    size_t room = p->newest ? 2 * p->newest->bytes : POOL_FIRST;
    if (room > POOL_GREATEST) room = POOL_GREATEST;
    if (room < bytes) room = bytes;
    pool_block *block = mem_alloc(sizeof *block + room);
    if (!block) return NULL;
    *block = (pool_block){p->newest, room};
    p->newest = block;
    p->used = 0;
    p->room = room;
  }
  void *at = (char *)(p->newest + 1) + p->used;
  p->used += bytes;
  return at;
}

void *pool_copy(pool *p, const void *bytes, size_t count) {
  void *at = pool_new(p, count);
  if (at && count) memcpy(at, bytes, count);
  return at;
}

void pool_free(pool *p) {
  while (p->newest) {
    pool_block *block = p->newest;
    p->newest = block->before;
    mem_free(block);
  }
  *p = (pool){0};
}
