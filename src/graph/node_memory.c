/* node_memory.c: memory of nodes. What nodes leave behind is kept by the thread on which they ended, by size, for the next
   ones that it makes: malloc would join neighbours and cut them apart again, which is a quarter of what a node takes from
   its making to its end. Counts the nodes there are. Uses base/. */
#include "graph/scope.h"
#include <pthread.h>

enum { UNIT = 16, KEPT_BYTES = 4 << 20 /* of a thread */ };

typedef struct spare {
  struct spare *next;
} spare;

static _Atomic(thread_nodes *) all;
static atomic_llong uncounted; /* nodes that ended where there was no memory to count them, below zero */

int64_t pons_live_arrays(void) {
  int64_t live = atomic_load(&uncounted);
  for (thread_nodes *t = atomic_load(&all); t; t = t->next) live += atomic_load(&t->live);
  return live;
}

/* ---- of a thread ---- */

static _Thread_local thread_nodes *mine;
static pthread_key_t ends;
static pthread_once_t ends_once = PTHREAD_ONCE_INIT;

static void end_of_thread(void *nodes) {
  thread_nodes *t = nodes;
  scope_close_all(t);
  for (int i = 0; i < NODE_SIZES; i++)
    for (spare *s; (s = t->spare[i]); mem_free(s)) {
      mem_unpoison(s + 1, (size_t)i * UNIT - sizeof *s);
      t->spare[i] = s->next;
    }
  t->spare_bytes = 0;
  mine = NULL;
  atomic_store(&t->in_use, false);
}

static void make_key(void) { pthread_key_create(&ends, end_of_thread); }

/* That of a thread which has ended, or a new one. */
static thread_nodes *find_free(void) {
  for (thread_nodes *t = atomic_load(&all); t; t = t->next)
    if (!atomic_exchange(&t->in_use, true)) return t;
  thread_nodes *t = mem_zalloc(sizeof *t);
  if (!t) return NULL;
  atomic_init(&t->in_use, true);
  t->next = atomic_load(&all);
  while (!atomic_compare_exchange_weak(&all, &t->next, t)) {}
  return t;
}

thread_nodes *thread_nodes_here(void) {
  if (mine) return mine;
  pthread_once(&ends_once, make_key);
  mine = find_free();
  if (mine && pthread_setspecific(ends, mine) != 0) {
    atomic_store(&mine->in_use, false);
    mine = NULL;
  }
  return mine;
}

/* No other thread writes it. */
static void count(thread_nodes *t, int more) {
  atomic_store_explicit(&t->live, atomic_load_explicit(&t->live, memory_order_relaxed) + more, memory_order_relaxed);
}

/* ---- memory ---- */

node *node_memory_take(thread_nodes *t, size_t bytes) {
  const size_t units = (bytes + UNIT - 1) / UNIT;
  spare *s = units < NODE_SIZES ? t->spare[units] : NULL;
  node *a;
  if (s) {
    if (mem_should_fail()) return NULL;
    mem_unpoison(s + 1, units * UNIT - sizeof *s);
    t->spare[units] = s->next;
    t->spare_bytes -= units * UNIT;
    a = (node *)s;
  } else {
    a = mem_alloc(units * UNIT);
    if (!a) return NULL;
  }
  memset(a, 0, sizeof *a);
  a->units = units < NODE_SIZES ? (uint8_t)units : 0;
  count(t, 1);
  return a;
}

void node_memory_give(thread_nodes *t, node *a) {
  const size_t units = a->units, bytes = units * UNIT;
  if (t) count(t, -1);
  else atomic_fetch_sub(&uncounted, 1);
  if (!t || !units || t->spare_bytes + bytes > KEPT_BYTES) {
    mem_free(a);
    return;
  }
  spare *s = (spare *)a;
  s->next = t->spare[units];
  t->spare[units] = s;
  t->spare_bytes += bytes;
  mem_poison(s + 1, bytes - sizeof *s); /* not the link: leak checkers follow it */
}
