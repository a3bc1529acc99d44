/* pieces.c: memory of one plan, taken piece by piece and freed together. Blocks of plans that are no more are kept for the
   next ones: to the C library they are large, so that it would have the system take them away and clear fresh pages. Uses
   graph/ (its lock). */
#include "plan/plan.h"

struct pool_block {
  pool_block *before;
  size_t bytes; /* keeps what follows 16-byte aligned */
};

enum { POOL_FIRST = 4096, POOL_GREATEST = 1 << 18, KEPT_LEAST = 1 << 15, KEPT_BYTES = 8 << 20 };

static struct {
  pool_block *newest;
  size_t bytes;
} kept; /* graph_lock is held */

/* A kept block of at least so many bytes; NULL: there is none. */
static pool_block *take_kept(size_t bytes) {
  pool_block **at = &kept.newest;
  while (*at && (*at)->bytes < bytes) at = &(*at)->before;
  pool_block *block = *at;
  if (!block) return NULL;
  *at = block->before;
  kept.bytes -= block->bytes;
  mem_unpoison(block + 1, block->bytes);
  return block;
}

static bool keep(pool_block *block) {
  if (block->bytes < KEPT_LEAST || block->bytes > POOL_GREATEST || kept.bytes + block->bytes > KEPT_BYTES) return false;
  mem_poison(block + 1, block->bytes);
  block->before = kept.newest;
  kept.newest = block;
  kept.bytes += block->bytes;
  return true;
}

static pool_block *new_block(size_t bytes) {
  if (bytes >= KEPT_LEAST) {
    if (mem_should_fail()) return NULL;
    pool_block *block = take_kept(bytes);
    if (block) return block;
  }
  pool_block *block = mem_alloc(sizeof *block + bytes);
  if (block) block->bytes = bytes;
  return block;
}

bool pool_grow(pool *p, size_t bytes) {
  size_t room = p->newest ? 2 * p->newest->bytes : POOL_FIRST;
  if (room > POOL_GREATEST) room = POOL_GREATEST;
  if (room < bytes) room = bytes;
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
