/* pieces.c: memory of one plan, taken piece by piece and freed together. Blocks of plans that are no more are kept for the
   next ones, by size: to the C library they are large, so that it would join what else is free first, or have the system take them
   away and clear fresh pages. Uses graph/ (its lock). */
#include "plan/plan.h"

struct pool_block {
  pool_block *before;
  size_t bytes; /* keeps what follows 16-byte aligned */
};

enum { POOL_FIRST = 4096, POOL_SIZES = 7 /* each twice the one before */, KEPT_BYTES = 8 << 20 };

static struct {
  pool_block *newest[POOL_SIZES];
  size_t bytes;
} kept; /* graph_lock is held */

/* Which of the sizes it is; -1: none. */
static int size_of(size_t bytes) {
  for (int i = 0; i < POOL_SIZES; i++)
    if (bytes == (size_t)POOL_FIRST << i) return i;
  return -1;
}

static pool_block *new_block(size_t bytes) {
  const int size = size_of(bytes);
  pool_block *block = size < 0 ? NULL : kept.newest[size];
  if (!block) {
    block = mem_alloc(sizeof *block + bytes);
    if (block) block->bytes = bytes;
    return block;
  }
  if (mem_should_fail()) return NULL;
  mem_unpoison(block + 1, bytes);
  kept.newest[size] = block->before;
  kept.bytes -= bytes;
  return block;
}

static bool keep(pool_block *block) {
  const int size = size_of(block->bytes);
  if (size < 0 || kept.bytes + block->bytes > KEPT_BYTES) return false;
  mem_poison(block + 1, block->bytes);
  block->before = kept.newest[size];
  kept.newest[size] = block;
  kept.bytes += block->bytes;
  return true;
}

bool pool_grow(pool *p, size_t bytes) {
  int size = 0;
  while (size < POOL_SIZES - 1 && (POOL_FIRST << size < (int64_t)bytes || (p->newest && p->newest->bytes >> size >= POOL_FIRST))) size++;
  const size_t room = (size_t)POOL_FIRST << size < bytes ? bytes : (size_t)POOL_FIRST << size;
  pool_block *block = new_block(room);
  if (!block) return false;
  block->before = p->newest;
  p->newest = block;
  p->at = (char *)(block + 1);
  p->left = block->bytes;
  return true;
}

void *pool_copy(pool *p, const void *bytes, size_t count) {
  void *at = pool_new(p, count);
  if (at && count) memcpy(at, bytes, count);
  return at;
}

void pool_free(pool *p) {
  graph_lock();
  while (p->newest) {
    pool_block *block = p->newest;
    p->newest = block->before;
    if (!keep(block)) mem_free(block);
  }
  graph_unlock();
  *p = (pool){0};
}
