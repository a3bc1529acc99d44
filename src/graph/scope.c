/* scope.c: who owns results. Each thread has a stack of the arrays it made; a scope is a height of that
   stack, and closing it releases what lies above. Uses node.c through graph.h. */
#include "graph/graph.h"
#include "graph/scope.h"
#include <pthread.h>

typedef struct owned {
  node **at;
  size_t count, room;
} owned;

static _Thread_local owned *mine;
static pthread_key_t ends;
static pthread_once_t ends_once = PTHREAD_ONCE_INIT;

static void release_above(owned *o, size_t mark) {
  while (o->count > mark) {
    node *a = o->at[--o->count];
    atomic_fetch_sub_explicit(&a->scope_refs, 1, memory_order_relaxed);
    pons_release(a);
  }
}

static void end_of_thread(void *o) {
  release_above(o, 0);
  mem_free(((owned *)o)->at);
  mem_free(o);
}

static void make_key(void) { pthread_key_create(&ends, end_of_thread); }

static owned *thread_owned(void) {
  if (mine) return mine;
  pthread_once(&ends_once, make_key);
  mine = mem_zalloc(sizeof *mine);
  if (mine && pthread_setspecific(ends, mine) != 0) {
    mem_free(mine);
    mine = NULL;
  }
  return mine;
}

bool scope_room(size_t more) {
  owned *o = thread_owned();
  return o && mem_room(&o->at, &o->room, o->count + more, sizeof *o->at);
}

pons_array scope_own(node *a) {
  owned *o = thread_owned(); /* scope_room has been asked */
  atomic_fetch_add_explicit(&a->scope_refs, 1, memory_order_relaxed);
  o->at[o->count++] = a;
  return a;
}

pons_scope pons_scope_open(void) { return (pons_scope){mine ? mine->count : 0}; }

void pons_scope_close(pons_scope scope) {
  if (mine) release_above(mine, scope.mark);
}

pons_array pons_scope_return(pons_scope scope, pons_array a) {
  pons_scope_return_many(scope, &a, 1);
  return a;
}

void pons_scope_return_many(pons_scope scope, const pons_array *arrays, int count) {
  for (int i = 0; i < count; i++) pons_keep(arrays[i]);
  pons_scope_close(scope);
  /* Room was there before closing unless every array came from outside the scope; only then can this fail,
     and then the arrays stay kept: a leak at the very end of memory, not a dangling pointer. */
  if (!scope_room((size_t)count)) return;
  for (int i = 0; i < count; i++)
    if (arrays[i]) scope_own(arrays[i]);
}
