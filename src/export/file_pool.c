/* file_pool.c: memory that is freed at once, for what is read from a file. Uses export.h. */
#include "export/export.h"

struct file_pool_block {
  struct file_pool_block *before;
  size_t room;
  max_align_t at[];
};
enum { BLOCK = 1 << 14 };

void *file_pool_alloc(file_pool *p, size_t bytes) {
  if (bytes > SIZE_MAX / 2) return NULL;
  bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
  if (!p->last || bytes > p->last->room - p->used) {
    size_t room = bytes > BLOCK ? bytes : BLOCK;
    struct file_pool_block *b = mem_zalloc(sizeof *b + room);
    if (!b) return NULL;
    b->before = p->last;
    b->room = room;
    p->last = b;
    p->used = 0;
  }
  void *at = (char *)p->last->at + p->used;
  p->used += bytes;
  return at;
}

void file_pool_free(file_pool *p) {
  while (p->last) {
    struct file_pool_block *before = p->last->before;
    mem_free(p->last);
    p->last = before;
  }
  p->used = 0;
}
