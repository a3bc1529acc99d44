/* memory.c: small memory for the library's own structures, and the hook by which a test makes each allocation
   fail in turn.

   Large data (elements of arrays) comes from device/buffer.c, which asks the same hook. Uses the C library
   alone. */
#include "base/base.h"
#include <stdlib.h>

/* Counting costs an atomic addition on a shared line, so it happens only between mem_fail_at(n) and
   mem_fail_at(0). */
static atomic_bool hook_is_on;
static _Atomic int64_t made;     /* allocations since the hook was set */
static _Atomic int64_t fails_at; /* the one that fails */

int64_t mem_fail_at(int64_t n) {
  atomic_store(&hook_is_on, false);
  int64_t count = atomic_exchange(&made, 0);
  atomic_store(&fails_at, n);
  atomic_store(&hook_is_on, n > 0);
  return count;
}

bool mem_should_fail(void) {
  if (!atomic_load_explicit(&hook_is_on, memory_order_relaxed)) return false;
  return atomic_fetch_add(&made, 1) + 1 == atomic_load(&fails_at);
}

void *mem_alloc(size_t bytes) {
  if (mem_should_fail()) return NULL;
  return malloc(bytes > 0 ? bytes : 1);
}

/* glibc's calloc takes nothing from what the thread itself gave back, malloc does. */
void *mem_zalloc(size_t bytes) {
  enum { SMALL = 1024 };
  if (bytes > SMALL) return mem_should_fail() ? NULL : calloc(1, bytes);
  void *p = mem_alloc(bytes);
  return p ? memset(p, 0, bytes) : NULL;
}

void *mem_resize(void *p, size_t bytes) {
  if (mem_should_fail()) return NULL;
  return realloc(p, bytes > 0 ? bytes : 1);
}

void mem_free(void *p) { free(p); }

char *mem_text(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = mem_alloc(bytes);
  if (copy != NULL) memcpy(copy, text, bytes);
  return copy;
}

bool mem_grow(void *items, size_t *room, size_t need, size_t item_size) {
  size_t grown = *room < 4 ? 8 : *room > SIZE_MAX / 2 ? need : *room * 2;
  if (grown < need) grown = need;
  if (grown > SIZE_MAX / item_size) return false;
  void *old; /* copied: the caller's pointer has a type that void ** may not alias */
  memcpy(&old, items, sizeof old);
  void *moved = mem_resize(old, grown * item_size);
  if (moved == NULL) return false;
  memcpy(items, &moved, sizeof moved);
  *room = grown;
  return true;
}

void pons_free(void *text) { mem_free(text); }
