/* scope.c: who owns results. Each thread has a stack of the arrays it made; a scope is a height of that
   stack, and closing it releases what lies above. Uses node.c through graph.h. */
#include "graph/graph.h"
#include "graph/scope.h"

static void release_above(thread_nodes *t, size_t mark) {
  while (t->count > mark) node_release_from_scope(t, t->owned[--t->count]);
}

void scope_close_all(thread_nodes *t) {
  release_above(t, 0);
  mem_free(t->owned);
  t->owned = NULL;
  t->room = 0;
}

bool scope_room(size_t more) {
  thread_nodes *t = thread_nodes_here();
  return t && mem_room(&t->owned, &t->room, t->count + more, sizeof *t->owned);
}

pons_array scope_own(node *a) {
  thread_nodes *t = thread_nodes_here(); /* scope_room has been asked */
  atomic_fetch_add_explicit(&a->refs, SCOPE_REF - 1, memory_order_relaxed);
  t->owned[t->count++] = a;
  return a;
}

pons_scope pons_scope_open(void) {
  thread_nodes *t = thread_nodes_here();
  return (pons_scope){t ? t->count : 0};
}

void pons_scope_close(pons_scope scope) {
  thread_nodes *t = thread_nodes_here();
  if (t) release_above(t, scope.mark);
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
